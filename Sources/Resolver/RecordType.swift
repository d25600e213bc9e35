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
    package static let dname = RecordType(39)
    package static let opt = RecordType(41)
    package static let tlsa = RecordType(52)
    package static let caa = RecordType(257)
    package static let any = RecordType(255)

    package static let axfr = RecordType(252)

    private static let names: [(RecordType, StaticString)] = [
        (a, "A"), (ns, "NS"), (cname, "CNAME"), (soa, "SOA"), (ptr, "PTR"), (mx, "MX"), (txt, "TXT"),
        (aaaa, "AAAA"), (srv, "SRV"), (tlsa, "TLSA"), (caa, "CAA"), (any, "ANY"), (axfr, "AXFR"),
        (RecordType(13), "HINFO"), (RecordType(17), "RP"), (RecordType(18), "AFSDB"), (RecordType(29), "LOC"),
        (RecordType(35), "NAPTR"), (RecordType(36), "KX"), (RecordType(39), "DNAME"), (RecordType(43), "DS"),
        (RecordType(44), "SSHFP"), (RecordType(46), "RRSIG"), (RecordType(47), "NSEC"),
        (RecordType(48), "DNSKEY"), (RecordType(50), "NSEC3"), (RecordType(51), "NSEC3PARAM"),
        (RecordType(53), "SMIMEA"), (RecordType(59), "CDS"), (RecordType(60), "CDNSKEY"),
        (RecordType(61), "OPENPGPKEY"), (RecordType(64), "SVCB"), (RecordType(65), "HTTPS"),
        (RecordType(99), "SPF"), (RecordType(256), "URI"), (RecordType(3), "MD"), (RecordType(4), "MF"),
        (RecordType(7), "MB"), (RecordType(8), "MG"), (RecordType(9), "MR"), (RecordType(10), "NULL"),
        (RecordType(11), "WKS"), (RecordType(14), "MINFO"), (RecordType(19), "X25"), (RecordType(20), "ISDN"),
        (RecordType(21), "RT"), (RecordType(22), "NSAP"), (RecordType(23), "NSAP-PTR"),
        (RecordType(24), "SIG"),
        (RecordType(25), "KEY"), (RecordType(26), "PX"), (RecordType(27), "GPOS"), (RecordType(30), "NXT"),
        (RecordType(31), "EID"), (RecordType(32), "NIMLOC"), (RecordType(34), "ATMA"),
        (RecordType(37), "CERT"),
        (RecordType(38), "A6"), (RecordType(40), "SINK"), (RecordType(42), "APL"),
        (RecordType(45), "IPSECKEY"),
        (RecordType(49), "DHCID"), (RecordType(55), "HIP"), (RecordType(56), "NINFO"),
        (RecordType(57), "RKEY"),
        (RecordType(58), "TALINK"), (RecordType(62), "CSYNC"), (RecordType(63), "ZONEMD"),
        (RecordType(100), "UINFO"), (RecordType(101), "UID"), (RecordType(102), "GID"),
        (RecordType(103), "UNSPEC"), (RecordType(104), "NID"), (RecordType(105), "L32"),
        (RecordType(106), "L64"), (RecordType(107), "LP"), (RecordType(108), "EUI48"),
        (RecordType(109), "EUI64"), (RecordType(253), "MAILB"), (RecordType(254), "MAILA"),
        (RecordType(258), "AVC"), (RecordType(259), "DOA"), (RecordType(260), "AMTRELAY"),
        (RecordType(32768), "TA"), (RecordType(32769), "DLV"),
    ]

    /// What the data of types consists of that nothing but a listing has a use for: numbers of so many octets, a
    /// name, a character-string, a text to the end, octets to the end in hexadecimal or in base 64; the other letters
    /// are explained by `Cursor.field`.
    private static let layouts: [(RecordType, StaticString)] = [
        (RecordType(13), "ss"), (RecordType(17), "nn"), (RecordType(18), "2n"), (RecordType(35), "22sssn"),
        (RecordType(36), "2n"), (RecordType(39), "n"), (RecordType(43), "211x"), (RecordType(44), "11x"),
        (RecordType(48), "211b"), (RecordType(53), "111x"), (RecordType(59), "211x"),
        (RecordType(60), "211b"), (RecordType(61), "b"), (RecordType(256), "22t"),
        (RecordType(3), "n"), (RecordType(4), "n"), (RecordType(7), "n"), (RecordType(8), "n"),
        (RecordType(9), "n"), (RecordType(14), "nn"), (RecordType(19), "s"), (RecordType(21), "2n"),
        (RecordType(26), "2nn"), (RecordType(27), "sss"), (RecordType(29), "L"),
        (RecordType(46), "T114dd2nb"),
        (RecordType(47), "nB"), (RecordType(49), "b"), (RecordType(50), "112hHB"), (RecordType(51), "112h"),
        (RecordType(57), "211b"), (RecordType(58), "nn"), (RecordType(62), "42B"), (RecordType(63), "411x"),
        (RecordType(64), "2nv"), (RecordType(65), "2nv"), (RecordType(104), "2g"), (RecordType(105), "2a"),
        (RecordType(106), "2g"), (RecordType(107), "2n"), (RecordType(108), "e"), (RecordType(109), "e"),
        (RecordType(32768), "211x"), (RecordType(32769), "211x"),
    ]

    var layout: [UInt8]? { Self.layouts.first { $0.0 == self }.map { [UInt8]($0.1) } }

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

/// How a server answered (RFC 1035 §4.1.1, RFC 2136 §2.2), the upper bits from OPT (RFC 6891 §6.1.3).
package struct ResponseCode: Equatable, CustomStringConvertible {
    package let number: UInt16

    package init(_ number: UInt16) { self.number = number }

    package static let noError = ResponseCode(0)
    package static let formatError = ResponseCode(1)
    package static let serverFailure = ResponseCode(2)
    package static let noSuchDomain = ResponseCode(3)
    package static let notImplemented = ResponseCode(4)
    package static let refused = ResponseCode(5)
    package static let badVersion = ResponseCode(16)

    private static let names: [StaticString] = [
        "NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED", "YXDOMAIN", "YXRRSET", "NXRRSET",
        "NOTAUTH", "NOTZONE",
    ]

    package var description: String {
        switch number {
        case 0..<11: Self.names[Int(number)].description
        case 11..<16: "RESERVED\(number)"
        case 16: "BADVERS"
        default: "?\(number)"
        }
    }
}
