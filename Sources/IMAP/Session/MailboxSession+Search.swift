import Bytes
import MIME
import Mail

/// SEARCH: RFC 3501 §6.4.4, with the answers of RFC 4731.
extension MailboxSession {
    func search(_ mailbox: any Mailbox, _ program: SearchProgram, uid: Bool, _ tag: [UInt8]) {
        if let charset = program.charset, charsets.decode([], charset: charset) == nil {
            return no(tag, "[BADCHARSET (UTF-8 US-ASCII)] Unknown charset")
        }
        let searcher = Searcher(mailbox, charsets: charsets, charset: program.charset ?? [UInt8]("UTF-8"))
        var found: [UInt32] = []
        // One message that cannot be read does not keep the others back.
        var failure: StoreFailure?
        for (index, message) in mailbox.list.messages.enumerated() {
            do throws(StoreFailure) {
                guard try searcher.matches(program.key, index) else { continue }
                found.append(uid ? message.uid : UInt32(index + 1))
            } catch { failure = error }
        }
        if let returning = program.returning {
            write(Self.extended(found, returning, uid: uid, tag))
        } else {
            say("* SEARCH" + found.map { " \($0)" }.joined() + "\r\n")
        }
        update(expunges: uid)
        if let failure { no(tag, failure) } else { ok(tag, "Search completed") }
    }

    /// `* ESEARCH (TAG "x") UID MIN 1 …`
    private static func extended(_ found: [UInt32], _ wanted: SearchReturn, uid: Bool, _ tag: [UInt8])
        -> [UInt8]
    {
        var line = Array("* ESEARCH (TAG ".utf8)
        line.append(string: tag)
        line += uid ? ") UID" : ")"
        if wanted.min, let first = found.first { line += " MIN \(first)" }
        if wanted.max, let last = found.last { line += " MAX \(last)" }
        if wanted.count { line += " COUNT \(found.count)" }
        if wanted.all, !found.isEmpty { line += " ALL \(SequenceSet.text(found))" }
        line += "\r\n"
        return line
    }
}

/// Looks at messages one by one; what needs no file is asked first.
private final class Searcher {
    private let mailbox: any Mailbox
    private let list: MessageList
    private let charsets: CharsetDecoder
    private let charset: [UInt8]
    private var current: (index: Int, reader: MessageReader)?

    init(_ mailbox: any Mailbox, charsets: CharsetDecoder, charset: [UInt8]) {
        self.mailbox = mailbox
        list = mailbox.list
        self.charsets = charsets
        self.charset = charset
    }

    private func reader(_ index: Int) -> MessageReader {
        if let current, current.index == index { return current.reader }
        let reader = MessageReader { [mailbox] () throws(StoreFailure) in try mailbox.source(index) }
        current = (index, reader)
        return reader
    }

    func matches(_ key: SearchKey, _ index: Int) throws(StoreFailure) -> Bool {
        do throws(StoreFailure) { return try evaluate(key, index) } catch {
            // Removed by another session: matches nothing.
            if error == .expunged { return false }
            throw error
        }
    }

    private func evaluate(_ key: SearchKey, _ index: Int) throws(StoreFailure) -> Bool {
        switch key {
        case .all: return true
        case .flag(let name, let isSet):
            return list[index].flags.isDisjoint(with: FlagNames.flag(name, mailbox.keywords)) != isSet
        case .recent: return list[index].isRecent
        case .new: return list[index].isRecent && !list[index].flags.contains(.seen)
        case .old: return !list[index].isRecent
        case .sequence(let set):
            return contains(set, UInt32(index + 1), largest: UInt32(clamping: list.count))
        case .uid(let set):
            return contains(set, list[index].uid, largest: list[list.count - 1].uid)
        case .larger(let size): return try mailbox.size(index) > Int(size)
        case .smaller(let size): return try mailbox.size(index) < Int(size)
        case .before(let day): return try arrivalDay(index) < day
        case .on(let day): return try arrivalDay(index) == day
        case .since(let day): return try arrivalDay(index) >= day
        case .sentBefore(let day): return try sentDay(index).map { $0 < day } ?? false
        case .sentOn(let day): return try sentDay(index) == day
        case .sentSince(let day): return try sentDay(index).map { $0 >= day } ?? false
        case .not(let key): return try !evaluate(key, index)
        case .or(let a, let b):
            if try evaluate(a, index) { return true }
            return try evaluate(b, index)
        case .and(let keys):
            for key in keys where !key.isExpensive { if try !evaluate(key, index) { return false } }
            for key in keys where key.isExpensive { if try !evaluate(key, index) { return false } }
            return true
        case .header(let name, let text): return try header(index, name, text)
        case .body(let text): return try SearchedMessage(reader(index), charsets).bodyContains(needle(text))
        case .text(let text):
            let message = SearchedMessage(reader(index), charsets)
            let needle = needle(text)
            if try message.headerContains(needle) { return true }
            return try message.bodyContains(needle)
        }
    }

    private func contains(_ set: SequenceSet, _ number: UInt32, largest: UInt32) -> Bool {
        set.ranges.contains { range in
            let ends = (range.first ?? largest, range.last ?? largest)
            return (min(ends.0, ends.1)...max(ends.0, ends.1)).contains(number)
        }
    }

    /// The day on which it came.
    private func arrivalDay(_ index: Int) throws(StoreFailure) -> Int64 {
        let seconds = try mailbox.internalDate(index)
        return (seconds - (seconds < 0 ? 86_399 : 0)) / 86_400
    }

    /// The day of the Date field, without regard to its zone: RFC 3501 §6.4.4.
    private func sentDay(_ index: Int) throws(StoreFailure) -> Int64? {
        guard let field = MessageHeader(toEmptyLine: try reader(index).header()).first("Date"),
            let date = DateTime(field.value)
        else {
            return nil
        }
        let fields = date.fields
        return DateTime.days(year: fields.year, month: fields.month, day: fields.day)
    }

    private func needle(_ text: [UInt8]) -> SearchText {
        SearchText(charsets.decode(text, charset: charset) ?? text)
    }

    /// An empty text matches every message that has the field. Addresses are looked at as they are written, and as ENVELOPE
    /// gives them, without what may stand between their words: RFC 3501 §6.4.4, FROM.
    private func header(_ index: Int, _ name: [UInt8], _ text: [UInt8]) throws(StoreFailure) -> Bool {
        let needle = needle(text)
        let isAddresses = EnvelopeStructure.addressFields.contains { name.equalsFolded($0) }
        return MessageHeader(toEmptyLine: try reader(index).header()).fields.contains { field in
            guard field.name.equalsFolded(name) else { return false }
            return isFound(needle, in: field.rawValue)
                || isAddresses && isFound(needle, in: AddressList(field.value).plainText)
        }
    }

    private func isFound(_ needle: SearchText, in value: some Collection<UInt8>) -> Bool {
        needle.isFound(inHeader: charsets.decodeWords(SearchText.singleSpaced(value)))
    }
}
