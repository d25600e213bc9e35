import Bytes

/// The type of a resource record; those without a name here are written `TYPE99` (RFC 3597 §5).
package struct RecordType: Hashable, CustomStringConvertible {
    package let number: UInt16

    package init(_ number: UInt16) { self.number = number }

    package static let a = RecordType(1)
    package static let ns = RecordType(2)
    package static let cname = RecordType(5)
    package static let soa = RecordType(6)
    package static let ptr = RecordType(12)
    package static let mx = RecordType(15)
    package static let txt = RecordType(16)
    package static let aaaa = RecordType(28)
    package static let srv = RecordType(33)
    package static let opt = RecordType(41)
    package static let tlsa = RecordType(52)
    package static let caa = RecordType(257)
    package static let any = RecordType(255)

    private static let names: [(RecordType, StaticString)] = [
        (a, "A"), (ns, "NS"), (cname, "CNAME"), (soa, "SOA"), (ptr, "PTR"), (mx, "MX"), (txt, "TXT"),
        (aaaa, "AAAA"), (srv, "SRV"), (tlsa, "TLSA"), (caa, "CAA"), (any, "ANY"),
    ]

    /// The type that `name` names, without regard to case; nil if none.
    package init?(named name: some Collection<UInt8>) {
        if let known = Self.names.first(where: { name.equalsFolded($0.1) }) {
            self = known.0
        } else if name.hasPrefixFolded("TYPE"), let number = UInt16(strictDecimal: name.dropFirst(4)) {
            self.init(number)
        } else {
            return nil
        }
    }

    package var description: String {
        Self.names.first { $0.0 == self }?.1.description ?? "TYPE\(number)"
    }
}

/// How a server answered (RFC 1035 §4.1.1, RFC 2136 §2.2).
package struct ResponseCode: Equatable, CustomStringConvertible {
    package let number: UInt8

    package init(_ number: UInt8) { self.number = number }

    package static let noError = ResponseCode(0)
    package static let formatError = ResponseCode(1)
    package static let serverFailure = ResponseCode(2)
    package static let noSuchDomain = ResponseCode(3)
    package static let notImplemented = ResponseCode(4)
    package static let refused = ResponseCode(5)

    private static let names: [StaticString] = [
        "NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED", "YXDOMAIN", "YXRRSET", "NXRRSET",
        "NOTAUTH", "NOTZONE",
    ]

    package var description: String {
        number < Self.names.count ? Self.names[Int(number)].description : "RESERVED\(number)"
    }
}
