import Bytes
import MIME
import Mail

/// FETCH: RFC 3501 §6.4.5 and §7.4.2. Answers are written as they are made; bodies go through in pieces.
extension MailboxSession {
    /// So many messages are open at a time.
    private static let batch = 64

    func fetch(_ mailbox: any Mailbox, _ set: SequenceSet, _ items: [FetchItem], uid: Bool, _ tag: [UInt8]) {
        guard let indices = mailbox.list.indices(set, uid: uid) else { return noSuchMessage(tag) }
        let items = uid && !items.contains(.uid) ? [.uid] + items : items
        let marksSeen = !isReadOnly && items.contains { $0.marksSeen }
        // One message that cannot be read does not keep the others back.
        var failure: StoreFailure?
        var rest = indices[...]
        while !rest.isEmpty, !isOver {
            let batch = Array(rest.prefix(Self.batch))
            rest = rest.dropFirst(batch.count)
            let failed = fetch(mailbox, batch, items, marksSeen: marksSeen)
            failure = StoreFailure.worse(failure, failed)
        }
        if isOver {
            // What is said now would stand in the literal that broke off.
            if case .system(let text)? = failure { report(text) }
            return
        }
        update(expunges: uid)
        answer(tag, "Fetch", failure)
    }

    /// A failure, if there was one.
    private func fetch(
        _ mailbox: any Mailbox, _ batch: [Int], _ items: [FetchItem], marksSeen: Bool
    ) -> StoreFailure? {
        var failure: StoreFailure?
        var readers: [(index: Int, reader: MessageReader)] = []
        let needsMessage = items.contains { $0.needsMessage }
        for index in batch {
            let reader = MessageReader { () throws(StoreFailure) in try mailbox.source(index) }
            do throws(StoreFailure) {
                if needsMessage, try !reader.isPresent() { throw .expunged }
                readers.append((index, reader))
            } catch { failure = StoreFailure.worse(failure, error) }
        }
        var seen: Set<Int> = []
        if marksSeen {
            let unseen = readers.map { $0.index }.filter { !mailbox.list[$0].flags.contains(.seen) }
            do throws(StoreFailure) {
                if !unseen.isEmpty { _ = try mailbox.change(unseen, by: FlagChange(adding: .seen)) }
            } catch {
                // What was asked for is there; that it was read cannot be written on a full disk.
                if error != .overQuota, error != .notPermitted {
                    failure = StoreFailure.worse(failure, error)
                }
            }
            seen = Set(unseen.filter { mailbox.list[$0].flags.contains(.seen) })
        }
        sayKeywords(mailbox)
        for (index, reader) in readers where !isOver {
            var output: [UInt8] = []
            do throws(StoreFailure) {
                try fetch(mailbox, index, reader, items, isNews: seen.contains(index), &output)
                write(output)
            } catch { failure = StoreFailure.worse(failure, error) }
        }
        return failure
    }

    /// What is in `output` when it fails has not been sent.
    private func fetch(
        _ mailbox: any Mailbox, _ index: Int, _ reader: MessageReader, _ items: [FetchItem], isNews: Bool,
        _ output: inout [UInt8]
    ) throws(StoreFailure) {
        var isNews = isNews
        output = Array("* \(index + 1) FETCH (".utf8)
        for (number, item) in items.enumerated() {
            if number > 0 { output.append(.space) }
            switch item {
            case .flags:
                output += "FLAGS "
                append(flagsOf: mailbox.list[index], mailbox, to: &output)
                isNews = false
            case .uid: output += "UID \(mailbox.list[index].uid)"
            case .internalDate: output += "INTERNALDATE \(IMAPDate.text(try mailbox.internalDate(index)))"
            case .size: output += "RFC822.SIZE \(try mailbox.size(index))"
            case .envelope:
                output += "ENVELOPE "
                EnvelopeStructure.append(MessageHeader(toEmptyLine: try reader.header()), to: &output)
            case .body, .bodyStructure:
                output += item == .body ? "BODY " : "BODYSTRUCTURE "
                BodyStructure.append(try reader.structure(), extended: item == .bodyStructure, to: &output)
            case .section(let section, let partial, _):
                output += "BODY"
                section.append(to: &output)
                if let partial { output += "<\(partial.start)>" }
                try appendSection(section, partial, reader, &output)
            case .old(let name, let section, _):
                output += name
                try appendSection(section, nil, reader, &output)
            }
        }
        if isNews {
            output += " FLAGS "
            append(flagsOf: mailbox.list[index], mailbox, to: &output)
        }
        output += ")\r\n"
    }

    /// A space and the section's bytes as a literal, or NIL where there is no such part.
    private func appendSection(
        _ section: Section, _ partial: FetchItem.Partial?, _ reader: MessageReader, _ output: inout [UInt8]
    ) throws(StoreFailure) {
        output.append(.space)
        guard let content = try reader.content(of: section) else { return output += "NIL" }
        let total = content.size
        let start = min(Int(partial?.start ?? 0), total)
        let count = min(Int(partial?.count ?? .max), total - start)
        output += "{\(count)}\r\n"
        switch content {
        case .bytes(let bytes): output.append(run: bytes[start..<start + count])
        case .stored(let range, _):
            // Out of our hands first: what is long goes through in pieces.
            write(output)
            output.removeAll(keepingCapacity: true)
            let isWhole: Bool
            do throws(StoreFailure) {
                isWhole = try reader.send(range, skipping: start, count: count, write)
            } catch {
                isOver = true
                throw error
            }
            // A literal's size is a promise: nothing but the message may stand in it, so there the connection ends.
            if !isWhole { isOver = true }
        }
    }
}

extension FetchItem {
    /// Whether to read it is to have seen the message.
    fileprivate var marksSeen: Bool {
        switch self {
        case .section(_, _, let peek), .old(_, _, let peek): !peek
        default: false
        }
    }

    /// Whether the file has to be opened for it.
    fileprivate var needsMessage: Bool {
        switch self {
        case .flags, .uid, .size, .internalDate: false
        default: true
        }
    }
}

extension Section {
    /// `section` as the answer repeats it.
    fileprivate func append(to output: inout [UInt8]) {
        output += "[" + path.map(String.init).joined(separator: ".")
        let dot = path.isEmpty ? "" : "."
        switch kind {
        case .all: break
        case .header: output += dot + "HEADER"
        case .text: output += dot + "TEXT"
        case .mime: output += dot + "MIME"
        case .fields(let names, let not):
            output += dot + (not ? "HEADER.FIELDS.NOT " : "HEADER.FIELDS ")
            output.append(list: names) { line, name in
                if !name.isEmpty, name.allSatisfy({ $0.isAtomCharacter }) {
                    line += name
                } else {
                    line.append(string: name)
                }
            }
        }
        output += "]"
    }
}
