package import Unix

/// One record of an answer.
package struct ResourceRecord: Equatable {
    package let name: DNSName
    package let type: RecordType
    package let recordClass: UInt16
    package let timeToLive: UInt32
    package let data: Data

    package init(
        name: DNSName, type: RecordType, recordClass: UInt16 = Question.internetClass, timeToLive: UInt32,
        data: Data
    ) {
        self.name = name
        self.type = type
        self.recordClass = recordClass
        self.timeToLive = timeToLive
        self.data = data
    }

    package enum Data: Equatable {
        case address(IPAddress)
        case exchanger(preference: UInt16, DNSName)
        /// CNAME, NS, PTR.
        case name(DNSName)
        case text([[UInt8]])
        case service(priority: UInt16, weight: UInt16, port: UInt16, DNSName)
        /// Serial, refresh, retry, expire, minimum.
        case authority(primary: DNSName, mailbox: DNSName, numbers: [UInt32])
        case certification(flags: UInt8, tag: [UInt8], value: [UInt8])
        case tlsAssociation(usage: UInt8, selector: UInt8, matching: UInt8, [UInt8])
        /// Types that are only shown.
        case fields([Field])
        case opaque([UInt8])
    }

    package enum Field: Equatable {
        case number(UInt32)
        case name(DNSName)
        case string([UInt8])
        case hexadecimal([UInt8])
        case base64([UInt8])
        case base32([UInt8])
        /// In hexadecimal, `-` if there is none.
        case salt([UInt8])
        case types([RecordType])
        /// Seconds since 1970.
        case time(UInt32)
        /// Four groups of 16 bits.
        case locator([UInt8])
        case address([UInt8])
        /// RFC 1876 §2.
        case location([UInt8])
        /// Octets with hyphens between.
        case hardware([UInt8])
        case parameters([ServiceParameter])
    }

    /// RFC 9460 §2.1.
    package struct ServiceParameter: Equatable {
        package let key: UInt16
        package let value: [UInt8]
    }
}
