import Bytes
import Mail

/// A forward-path, or a name of this host, taken apart: the local part without its quotes, and the domain, if
/// there is one.
package struct RecipientAddress: Equatable {
    package var localPart: [UInt8]
    package let domain: [UInt8]?

    /// Splits at the last `@`: an earlier one is part of a quoted local part. A dot behind a domain says that the name is
    /// complete, and is no part of it.
    package init(_ address: some Collection<UInt8>) {
        let bytes = Array(address)
        let at = bytes.lastIndex(of: .ascii("@"))
        domain = at.map { Array(bytes.last == .dot ? bytes[($0 + 1)...].dropLast() : bytes[($0 + 1)...]) }
        localPart = Address(localPart: Array(bytes[..<(at ?? bytes.endIndex)]), domain: []).unquotedLocalPart
    }
}
