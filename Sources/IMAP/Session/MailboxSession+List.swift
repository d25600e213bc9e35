import Bytes

/// LIST and LSUB: RFC 3501 §6.3.8, §6.3.9, and RFC 5258, with the attributes of RFC 3348 and RFC 6154.
extension MailboxSession {
    func list(_ query: ListQuery, _ tag: [UInt8]) {
        if !query.isExtended, query.patterns == [[]] {
            say("* \(query.isLSUB ? "LSUB" : "LIST") (\\Noselect) \(separator) \"\"\r\n")
            return ok(tag, "Completed")
        }
        do throws(StoreFailure) {
            let listing = try MailboxListing(query, store)
            for line in listing.lines(separator) { write(line) }
            ok(tag, "Completed")
        } catch { no(tag, error) }
    }
}

/// The answer to one LIST or LSUB.
private struct MailboxListing {
    private let query: ListQuery
    private let patterns: [MailboxPattern]
    private let separator: UInt8
    private let mayHaveChildren: Bool
    /// INBOX first, the others in order.
    private let existing: [[UInt8]]
    private let existingNames: Set<[UInt8]>
    private let subscribed: Set<[UInt8]>
    /// Those that the options select.
    private let selected: [[UInt8]]
    private let selectedNames: Set<[UInt8]>
    /// What has something below it: that exists, that is selected.
    private let parents: Set<[UInt8]>
    private let selectedParents: Set<[UInt8]>
    /// What has something below it that is selected, and that no pattern fits.
    private var selectedElsewhere: Set<[UInt8]> = []

    init(_ query: ListQuery, _ store: any MailboxStore) throws(StoreFailure) {
        self.query = query
        separator = store.separator
        let separator = store.separator
        mayHaveChildren = store.mailboxesHaveChildren
        patterns = query.patterns.map { MailboxPattern(query.reference + $0, separator: separator) }
        // Another INBOX, whatever its letters, cannot be reached by that name.
        existing = [[UInt8]("INBOX")] + (try store.names()).filter { !$0.equalsFolded("INBOX") }
        existingNames = Set(existing)
        let asksSubscribed = query.isLSUB || query.selectsSubscribed
        let subscriptions = asksSubscribed || query.returnsSubscribed ? try store.subscriptions() : []
        subscribed = Set(subscriptions)
        let all = asksSubscribed ? subscriptions : existing
        selected = query.selectsSpecialUse ? all.filter { Self.specialUse(of: $0) != nil } : all
        selectedNames = Set(selected)
        let above = existing.flatMap { Self.parents(of: $0, separator) }
        parents = Set(above + (above.contains { $0.equalsFolded("INBOX") } ? [[UInt8]("INBOX")] : []))
        selectedParents = Set(selected.flatMap { Self.parents(of: $0, separator) })
        if query.isRecursive {
            let others = selected.filter { !matches($0) }
            selectedElsewhere = Set(others.flatMap { Self.parents(of: $0, separator) })
        }
    }

    private func matches(_ name: [UInt8]) -> Bool { patterns.contains { $0.matches(name) } }

    func lines(_ separator: String) -> [[UInt8]] {
        var lines = selected.filter(matches).map { line($0, attributes(of: $0), separator) }
        // What is above a mailbox is shown where it is not shown as one itself.
        // RFC 5258 §5, example 9: recursively only what leads to others than are shown.
        let above = (query.isRecursive ? selectedElsewhere : selectedParents).filter {
            !selectedNames.contains($0) && !$0.equalsFolded("INBOX") && showsParents && matches($0)
        }
        for name in above.sorted(by: { $0.lexicographicallyPrecedes($1) }) {
            if query.isExtended {
                lines.append(line(name, attributes(of: name), separator))
            } else if query.isLSUB || !existingNames.contains(name) {
                lines.append(line(name, "\\Noselect \\HasChildren", separator))
            }
        }
        return lines
    }

    /// LSUB shows what is only above others for `%` at the end of a pattern (RFC 3501 §6.3.9), a selection where it is recursive.
    private var showsParents: Bool {
        if query.isLSUB { return query.patterns.contains { $0.last == .ascii("%") } }
        return query.isRecursive || !(query.selectsSubscribed || query.selectsSpecialUse)
    }

    private static func parents(of name: [UInt8], _ separator: UInt8) -> [[UInt8]] {
        name.indices.filter { name[$0] == separator }.map { Array(name[..<$0]) }
    }

    private static func specialUse(of name: [UInt8]) -> String? {
        let uses: [(String, String)] = [
            ("Sent", "\\Sent"), ("Drafts", "\\Drafts"), ("Trash", "\\Trash"), ("Junk", "\\Junk"),
            ("Archive", "\\Archive"),
        ]
        return uses.first { name.equalsFolded($0.0.utf8) }?.1
    }

    private func attributes(of name: [UInt8]) -> String {
        var attributes = parents.contains(name) ? "\\HasChildren" : "\\HasNoChildren"
        if !existingNames.contains(name) {
            attributes = "\\NonExistent " + attributes
        } else if !mayHaveChildren, !name.equalsFolded("INBOX") {
            attributes += " \\Noinferiors"
        }
        if query.isExtended, subscribed.contains(name) { attributes += " \\Subscribed" }
        if let use = Self.specialUse(of: name) { attributes += " \(use)" }
        return attributes
    }

    private func line(_ name: [UInt8], _ attributes: String, _ separator: String) -> [UInt8] {
        var line = Array("* \(query.isLSUB ? "LSUB" : "LIST") (\(attributes)) \(separator) ".utf8)
        line.append(mailbox: name)
        // RFC 5258 §3.5: below it there is what was asked for.
        if query.isRecursive, selectedParents.contains(name) {
            line +=
                query.selectsSubscribed
                ? " (\"CHILDINFO\" (\"SUBSCRIBED\"))" : " (\"CHILDINFO\" (\"SPECIAL-USE\"))"
        }
        line += "\r\n"
        return line
    }
}
