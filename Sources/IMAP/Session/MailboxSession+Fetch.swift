import Bytes
import MIME
import Mail

/// FETCH: RFC 3501 §6.4.5 and §7.4.2. Answers are written as they are made; bodies go through in pieces.
extension MailboxSession {
    func fetch(_ mailbox: any Mailbox, _ set: SequenceSet, _ items: [FetchItem], uid: Bool, _ tag: [UInt8]) {
        guard let indices = mailbox.indices(set, uid: uid) else { return noSuchMessage(tag) }
        let items = uid && !items.contains(.uid) ? [.uid] + items : items
        let marksSeen =
            !isReadOnly
            && items.contains { item in
                switch item {
                case .section(_, _, let peek), .old(_, _, let peek): !peek
                default: false
                }
            }
        var isGone = false
        do throws(StoreFailure) {
            for index in indices {
                if try !fetch(mailbox, index, items, marksSeen: marksSeen) { isGone = true }
            }
            if marksSeen { try mailbox.synchronize() }
            if uid { update(expunges: true) }
            isGone ? no(tag, "[EXPUNGEISSUED] Some messages are gone") : ok(tag, "Fetch completed")
        } catch { no(tag, error) }
    }

    /// False when the message is gone.
    private func fetch(
        _ mailbox: any Mailbox, _ index: Int, _ items: [FetchItem], marksSeen: Bool
    ) throws(StoreFailure) -> Bool {
        let reader = MessageReader { () throws(StoreFailure) in try mailbox.source(index) }
        if items.contains(where: { $0.needsMessage }), try !reader.isPresent() { return false }
        var flagsAreNews = false
        if marksSeen, !mailbox.isSeen(index) {
            flagsAreNews = try mailbox.setFlags(index, mailbox.flags(index) + [[UInt8]("\\Seen")])
        }
        var output = Array("* \(index + 1) FETCH (".utf8)
        for (number, item) in items.enumerated() {
            if number > 0 { output.append(.space) }
            switch item {
            case .flags:
                output += "FLAGS "
                appendFlags(mailbox, index, to: &output)
                flagsAreNews = false
            case .uid: output += "UID \(mailbox.uid(index))"
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
                try appendSection(section, partial, reader, try mailbox.size(index), &output)
            case .old(let name, let section, _):
                output += name
                try appendSection(section, nil, reader, try mailbox.size(index), &output)
            }
        }
        if flagsAreNews {
            output += " FLAGS "
            appendFlags(mailbox, index, to: &output)
        }
        output += ")\r\n"
        write(output)
        return true
    }

    /// A space and the section's bytes as a literal, or NIL where there is no such part.
    private func appendSection(
        _ section: Section, _ partial: FetchItem.Partial?, _ reader: MessageReader, _ size: Int,
        _ output: inout [UInt8]
    ) throws(StoreFailure) {
        output.append(.space)
        guard let content = try reader.content(of: section, messageSize: size) else { return output += "NIL" }
        let total = content.size
        let start = min(Int(partial?.start ?? 0), total)
        let count = min(Int(partial?.count ?? .max), total - start)
        output += "{\(count)}\r\n"
        switch content {
        case .bytes(let bytes): output += bytes[start..<start + count]
        case .stored(let range, _):
            // Out of our hands first: what is long goes through in pieces.
            write(output)
            output.removeAll(keepingCapacity: true)
            try reader.send(range, skipping: start, count: count, write)
        }
    }
}

extension FetchItem {
    /// Whether the file has to be opened for it.
    fileprivate var needsMessage: Bool {
        switch self {
        case .flags, .uid, .size: false
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
