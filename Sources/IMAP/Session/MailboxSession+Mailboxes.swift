import Bytes

/// SELECT and STATUS: RFC 3501 §6.3.
extension MailboxSession {
    func select(_ name: [UInt8], readOnly: Bool, _ tag: [UInt8]) {
        // Even a SELECT that fails leaves nothing selected: RFC 3501 §6.3.1.
        unselect()
        do throws(StoreFailure) {
            let mailbox = try store.open(name, readOnly: readOnly)
            selected = mailbox
            selectedName = name
            isReadOnly = readOnly
            knownCount = mailbox.count
            var output: [UInt8] = []
            let flags = Self.systemFlags + mailbox.keywords
            output += "* FLAGS "
            output.append(list: flags) { $0 += $1 }
            output += "\r\n* OK [PERMANENTFLAGS "
            output.append(list: readOnly ? [] : flags + [[UInt8]("\\*")]) { $0 += $1 }
            output += "] Flags permitted\r\n* \(mailbox.count) EXISTS\r\n* \(recentCount(mailbox)) RECENT\r\n"
            if let unseen = (0..<mailbox.count).first(where: { !mailbox.isSeen($0) }) {
                output += "* OK [UNSEEN \(unseen + 1)] First unseen\r\n"
            }
            output += "* OK [UIDVALIDITY \(mailbox.uidValidity)] UIDs valid\r\n"
            output += "* OK [UIDNEXT \(mailbox.uidNext)] Predicted next UID\r\n"
            write(output)
            ok(tag, readOnly ? "[READ-ONLY] Examine completed" : "[READ-WRITE] Select completed")
        } catch { no(tag, error) }
    }

    static let systemFlags: [[UInt8]] = ["\\Answered", "\\Flagged", "\\Deleted", "\\Seen", "\\Draft"].map {
        Array($0.utf8)
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
                    case .messages: mailbox.count
                    case .recent: recentCount(mailbox)
                    case .uidnext: Int(mailbox.uidNext)
                    case .uidvalidity: Int(mailbox.uidValidity)
                    case .unseen: (0..<mailbox.count).count { !mailbox.isSeen($0) }
                    }
                line += "\(item.rawValue.uppercased()) \(value)"
            }
            line += "\r\n"
            write(line)
            ok(tag, "Status completed")
        } catch { no(tag, error) }
    }
}

extension Mailbox {
    func isSeen(_ index: Int) -> Bool { flags(index).contains { $0.equalsFolded("\\Seen") } }
    func isDeleted(_ index: Int) -> Bool { flags(index).contains { $0.equalsFolded("\\Deleted") } }

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
        guard count > 0 else { return [] }
        let ranges = set.resolved(largest: self.uid(count - 1))
        return ranges.flatMap { range -> [Int] in
            let start = firstIndex(from: range.lowerBound)
            return (start..<count).prefix { self.uid($0) <= range.upperBound }.map { $0 }
        }
    }

    /// The first message whose UID is `lowest` or larger.
    private func firstIndex(from lowest: UInt32) -> Int {
        var low = 0
        var high = count
        while low < high {
            let middle = (low + high) / 2
            if uid(middle) < lowest { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
