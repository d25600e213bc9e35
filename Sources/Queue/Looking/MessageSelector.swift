import Bytes

/// Which messages an operator means: one by its id, or all that have something in common. Addresses are compared
/// without regard to case.
package enum MessageSelector: Equatable {
    case id(MessageID)
    /// By reverse-path; empty for the null one.
    case sender([UInt8])
    case recipient([UInt8])
    /// Of recipients; folded.
    case domain([UInt8])
    case all

    /// `ID`, `from=ADDRESS`, `to=ADDRESS`, `domain=DOMAIN` or `all`; an address may be in angle brackets, as logs
    /// have it, and may be `@DOMAIN`: anybody there.
    package init?(_ text: String) {
        let bytes = Array(text.utf8)
        func value(_ key: StaticString) -> [UInt8]? {
            guard bytes.hasPrefixFolded(key) else { return nil }
            let value = bytes[key.utf8CodeUnitCount...]
            return value.first == .ascii("<") && value.last == .ascii(">")
                ? Array(value.dropFirst().dropLast()) : Array(value)
        }
        if let id = MessageID(text) {
            self = .id(id)
        } else if text == "all" {
            self = .all
        } else if let address = value("from=") {
            self = .sender(address)
        } else if let address = value("to="), !address.isEmpty {
            self = .recipient(address)
        } else if let domain = value("domain="), !domain.isEmpty, !domain.contains(.ascii("@")) {
            self = .domain(domain.folded())
        } else {
            return nil
        }
    }

    /// The numbers, from 1, of the recipients that are meant; none where the message is not.
    package func recipients(of envelope: Envelope, _ id: MessageID) -> [Int] {
        let numbers = 1...envelope.recipients.count
        switch self {
        case .id(let wanted): return wanted == id ? Array(numbers) : []
        case .all: return Array(numbers)
        case .sender(let pattern): return Self.matches(envelope.reversePath, pattern) ? Array(numbers) : []
        case .recipient(let pattern):
            return numbers.filter { Self.matches(envelope.recipients[$0 - 1].address, pattern) }
        case .domain(let domain):
            return numbers.filter { envelope.recipients[$0 - 1].domain?.elementsEqual(domain) ?? false }
        }
    }

    private static func matches(_ address: [UInt8], _ pattern: [UInt8]) -> Bool {
        guard pattern.first == .ascii("@"), let at = address.lastIndex(of: .ascii("@")) else {
            return address.equalsFolded(pattern)
        }
        return address[at...].equalsFolded(pattern)
    }
}
