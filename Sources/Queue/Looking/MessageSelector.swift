import Bytes

/// Which messages an operator means: one by its id, or all that have something in common.
package enum MessageSelector: Equatable {
    case id(MessageID)
    case sender(AddressPattern)
    case recipient(AddressPattern)
    /// Of recipients.
    case domain(AddressPattern)
    case all

    /// `ID`, `from=ADDRESS`, `to=ADDRESS`, `domain=DOMAIN` or `all`; an address may be in angle brackets, as logs
    /// have it. What else it may be: see `AddressPattern`.
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
            self = .sender(AddressPattern(address))
        } else if let address = value("to="), !address.isEmpty {
            self = .recipient(AddressPattern(address))
        } else if var domain = value("domain="), !domain.isEmpty {
            if domain.first == .ascii("@") { domain.removeFirst() }
            guard !domain.isEmpty, !domain.contains(.ascii("@")) else { return nil }
            self = .domain(AddressPattern([.ascii("@")] + domain))
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
        case .sender(let pattern): return pattern.matches(envelope.reversePath) ? Array(numbers) : []
        case .recipient(let pattern), .domain(let pattern):
            return numbers.filter { pattern.matches(envelope.recipients[$0 - 1].address) }
        }
    }
}
