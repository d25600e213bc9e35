import Bytes

/// The key relay-host: by way of which host mail for others goes, and which mail. Of several lines that fit a recipient the
/// most specific counts, whatever their order: what is said of the recipient's domain, then of the longest of its parent
/// domains, then of the sender's address, then of the sender's domain, then of all mail.
package struct RelayTable: Equatable, Sendable {
    package enum Condition: Equatable, Sendable {
        case recipientDomain([UInt8])
        /// Any domain below this one.
        case recipientsBelow([UInt8])
        case sender([UInt8])
        case senderDomain([UInt8])
        case everything
    }

    package struct Line: Equatable, Sendable {
        package let condition: Condition
        /// nil: by the domain's mail exchangers.
        package let host: RelayHost?
        /// As it was written.
        package let text: String
    }

    package private(set) var lines: [Line] = []

    package init() {}

    /// Words: `host`, `example.org=host`, `.example.org=host`, `from:me@example.com=host`, `from:example.com=host`; in the
    /// place of a host `direct`, with a condition. A condition stands once.
    init?(_ text: String) {
        for word in words(text) {
            guard let line = Line(word), !lines.contains(where: { $0.condition == line.condition }) else {
                return nil
            }
            lines.append(line)
        }
    }

    package var isEmpty: Bool { lines.isEmpty }

    /// The line that holds for a recipient; nil where none does. `domain`: the recipient's. `sender`: the reverse-path; empty for
    /// the null one, of which no line about senders says anything.
    package func line(for domain: ArraySlice<UInt8>, from sender: [UInt8]) -> Line? {
        guard !lines.isEmpty else { return nil }
        let domain = domain.last == .dot ? domain.dropLast() : domain
        let senderDomain = sender.lastIndex(of: .ascii("@")).map { sender[($0 + 1)...] } ?? []
        var found: (line: Line, rank: Int)?
        for line in lines {
            let rank: Int
            switch line.condition {
            case .recipientDomain(let name):
                guard domain.equalsFolded(name) else { continue }
                rank = .max
            case .recipientsBelow(let name):
                guard domain.count > name.count, domain.suffix(name.count).equalsFolded(name) else {
                    continue
                }
                rank = 2 + name.count
            case .sender(let address):
                guard sender.equalsFolded(address) else { continue }
                rank = 2
            case .senderDomain(let name):
                guard senderDomain.equalsFolded(name) else { continue }
                rank = 1
            case .everything: rank = 0
            }
            if found.map({ rank > $0.rank }) ?? true { found = (line, rank) }
        }
        return found?.line
    }
}

extension RelayTable.Line {
    fileprivate init?(_ word: String) {
        text = word
        let bytes = Array(word.utf8)
        // A login may have such a sign; it stands behind the slashes of a scheme.
        guard let equals = bytes.firstIndex(of: .ascii("=")), !bytes[..<equals].contains(.ascii("/")) else {
            condition = .everything
            guard word != Self.direct, let host = RelayHost(word) else { return nil }
            self.host = host
            return
        }
        guard let condition = Self.condition(bytes[..<equals].folded()) else { return nil }
        self.condition = condition
        let name = String(decoding: bytes[(equals + 1)...], as: UTF8.self)
        guard name != Self.direct else {
            host = nil
            return
        }
        guard let host = RelayHost(name) else { return nil }
        self.host = host
    }

    private static let direct = "direct"

    private static func condition(_ text: [UInt8]) -> RelayTable.Condition? {
        func isDomain(_ name: [UInt8]) -> Bool {
            Program.isDomain(String(decoding: name, as: UTF8.self)) || name.first == .ascii("[")
        }
        if text.hasPrefixFolded("from:") {
            let sender = Array(text.dropFirst(5))
            if let at = sender.lastIndex(of: .ascii("@")) {
                return at > 0 && isDomain(Array(sender[(at + 1)...])) ? .sender(sender) : nil
            }
            return isDomain(sender) ? .senderDomain(sender) : nil
        }
        if text.first == .dot {
            // With its dot: `.example.org` ends no `badexample.org`.
            return isDomain(Array(text.dropFirst())) ? .recipientsBelow(text) : nil
        }
        return isDomain(text) ? .recipientDomain(text) : nil
    }
}

extension Configuration {
    /// By way of whom mail from `sender` for `domain`, which is none of ours, goes; nil: by its mail exchangers.
    package func relay(for domain: ArraySlice<UInt8>, from sender: [UInt8]) -> RelayHost? {
        relayHost.line(for: domain, from: sender)?.host
    }
}
