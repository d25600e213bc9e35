import Bytes
import Mail

/// SELECT and STATUS: RFC 3501 §6.3.
extension MailboxSession {
    func select(_ name: [UInt8], readOnly: Bool, _ tag: [UInt8]) {
        // Even a SELECT that fails leaves nothing selected: RFC 3501 §6.3.1.
        unselect()
        do throws(StoreFailure) {
            let mailbox = try store.open(name, readOnly: readOnly)
            selected = mailbox
            selectedName = name
            isReadOnly = readOnly || !mailbox.isWritable
            knownKeywords = mailbox.keywords
            knownValidity = mailbox.uidValidity
            let list = mailbox.list
            knownRecent = list.recentCount
            var output = Self.flagLines(mailbox.keywords, readOnly: isReadOnly)
            output += "* \(list.count) EXISTS\r\n* \(knownRecent) RECENT\r\n"
            if let unseen = list.messages.firstIndex(where: { !$0.flags.contains(.seen) }) {
                output += "* OK [UNSEEN \(unseen + 1)] First unseen\r\n"
            }
            output += "* OK [UIDVALIDITY \(mailbox.uidValidity)] UIDs valid\r\n"
            output += "* OK [UIDNEXT \(mailbox.uidNext)] Predicted next UID\r\n"
            if !mailbox.keepsUIDs { output += "* NO [UIDNOTSTICKY] UIDs are good for this session alone\r\n" }
            write(output)
            ok(
                tag,
                "\(isReadOnly ? "[READ-ONLY]" : "[READ-WRITE]") \(readOnly ? "Examine" : "Select") completed")
        } catch { no(tag, error) }
    }

    func status(_ name: [UInt8], _ items: [Command.StatusItem], _ tag: [UInt8]) {
        do throws(StoreFailure) {
            let mailbox = try store.open(name, readOnly: true)
            var line = Array("* STATUS ".utf8)
            line.append(mailbox: name)
            line.append(.space)
            line.append(list: items) { line, item in
                let value: Int =
                    switch item {
                    case .messages: mailbox.list.count
                    case .recent: mailbox.list.recentCount
                    case .uidnext: Int(mailbox.uidNext)
                    case .uidvalidity: Int(mailbox.uidValidity)
                    case .unseen: mailbox.list.messages.count { !$0.flags.contains(.seen) }
                    }
                line += "\(item.rawValue.uppercased()) \(value)"
            }
            line += "\r\n"
            write(line)
            ok(tag, "Status completed")
        } catch { no(tag, error) }
    }
}

extension MessageList {
    var recentCount: Int { messages.count { $0.isRecent } }

    /// The messages that a set names, in order: by number (nil when one does not exist: RFC 3501 §6.4.8), or by UID (those
    /// that do not exist are passed over).
    func indices(_ set: SequenceSet, uid: Bool) -> [Int]? {
        guard uid else {
            let ranges = set.resolved(largest: UInt32(clamping: count))
            guard ranges.allSatisfy({ $0.lowerBound >= 1 && $0.upperBound <= UInt32(clamping: count) }) else {
                return nil
            }
            return ranges.flatMap { $0.map { Int($0) - 1 } }
        }
        guard let last = messages.last else { return [] }
        return set.resolved(largest: last.uid).flatMap { range -> [Int] in
            let start = firstIndex(from: range.lowerBound)
            return (start..<count).prefix { messages[$0].uid <= range.upperBound }.map { $0 }
        }
    }
}
