import Bytes
import Unix

/// An address, or a part of one, as an operator writes it: `user@domain`, `@domain` for anybody there, or `user` for that
/// local part in any domain. What means the same matches (RFC 5321 §2.4, §4.1.2, §4.1.3): whatever the case, with a
/// needless quoted string or without, with a dot behind the domain or without, an address in brackets or bare.
package struct AddressPattern: Equatable {
    /// Both nil: the null reverse-path.
    private let localPart: [UInt8]?
    private let domain: [UInt8]?

    init(_ text: [UInt8]) {
        let (localPart, domain) = Self.parts(text)
        self.domain = domain
        self.localPart = localPart.isEmpty && (domain != nil || text.isEmpty) ? nil : localPart
    }

    func matches(_ address: [UInt8]) -> Bool {
        if address.isEmpty {
            // As the listing shows it.
            return domain == nil && (localPart.map { $0.elementsEqual("mailer-daemon".utf8) } ?? true)
        }
        let (local, domain) = Self.parts(address)
        if localPart == nil && self.domain == nil { return false }
        if let wanted = localPart, wanted != local { return false }
        if let wanted = self.domain { return domain == wanted }
        return true
    }

    /// At the last `@` that stands outside of quotes.
    private static func parts(_ address: [UInt8]) -> (localPart: [UInt8], domain: [UInt8]?) {
        var at: Int?
        var isQuoted = false
        var index = 0
        while index < address.count {
            switch address[index] {
            case .quote: isQuoted.toggle()
            case .backslash where isQuoted: index += 1
            case .ascii("@") where !isQuoted: at = index
            default: break
            }
            index += 1
        }
        guard let at else { return (canonical(localPart: address[...]), nil) }
        return (canonical(localPart: address[..<at]), canonical(domain: address[(at + 1)...]))
    }

    private static func canonical(localPart: ArraySlice<UInt8>) -> [UInt8] {
        guard localPart.count >= 2, localPart.first == .quote, localPart.last == .quote else {
            return localPart.folded()
        }
        var text: [UInt8] = []
        var rest = localPart.dropFirst().dropLast()
        while let byte = rest.popFirst() {
            text.append(byte == .backslash ? rest.popFirst() ?? byte : byte)
        }
        return text.folded()
    }

    /// Folded, without a dot behind it; an address literal as the address that it is.
    private static func canonical(domain: ArraySlice<UInt8>) -> [UInt8] {
        var domain = domain.folded()[...]
        if domain.last == .dot { domain = domain.dropLast() }
        var literal = domain
        if domain.first == .ascii("["), domain.last == .ascii("]") {
            literal = domain.dropFirst().dropLast()
            if literal.hasPrefixFolded("IPv6:") { literal = literal.dropFirst(5) }
        }
        guard let address = IPAddress(String(decoding: literal, as: UTF8.self)) else { return Array(domain) }
        return [.ascii("[")] + Array("\(address)".utf8) + [.ascii("]")]
    }
}
