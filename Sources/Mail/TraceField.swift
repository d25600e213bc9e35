import Bytes

/// Fields that a mail system puts on top of a message: RFC 5321 §4.4.
package enum TraceField {
    /// `Received:` (RFC 5321 §4.4, Time-stamp-line), folded, with LF line ends.
    ///
    /// `helo`, and `hostName` (nil: not looked up), are what strangers said: bytes that could break the field are
    /// replaced. `recipient` is named only where there is a single one.
    package static func received(
        helo: [UInt8], hostName: [UInt8]?, address: String?, by host: String, with protocolName: StaticString,
        tls: String?, id: String, recipient: [UInt8]?, at date: DateTime
    ) -> [UInt8] {
        var field: [UInt8] = []
        field.reserveCapacity(512)
        field += "Received: "
        if let address {
            field += "from "
            field += helo.isEmpty ? [UInt8]("unknown") : clean(helo)
            field += " ("
            field += hostName.map(clean) ?? [UInt8]("unknown")
            // RFC 5321 §4.1.3: an address literal says that it is IPv6.
            field += address.contains(":") ? " [IPv6:\(address)])\n" : " [\(address)])\n"
            if let tls { field += "\t(using \(tls))\n" }
            field += "\t"
        }
        field += "by \(host) (relais) with "
        field += protocolName
        field += " id \(id)"
        if let recipient {
            field += "\n\tfor <"
            field += recipient
            field += ">"
        }
        field += ";\n\t\(date.text)\n"
        return field
    }

    /// Who gave us a message, from the value of the field that `received` wrote when it came under this id:
    /// `mx.example ([192.0.2.1])`. Nil for a message of this host's, and for any other field.
    package static func origin(_ value: [UInt8], id: String) -> [UInt8]? {
        let words = value.split { $0.isWhitespace }.map(Array.init)
        guard words.count > 4, words[0] == Array("from".utf8), words[3].first == .ascii("["),
            words[3].last == .ascii(")"), let place = words.firstIndex(of: Array("id".utf8)),
            place + 1 < words.count, words[place + 1].starts(with: id.utf8)
        else { return nil }
        return words[1] + Array(" (".utf8) + words[3]
    }

    /// RFC 5321 §4.4: put on top at final delivery.
    package static func returnPath(_ path: [UInt8]) -> [UInt8] {
        [UInt8]("Return-Path: <") + path + [UInt8](">\n")
    }

    /// Which mailbox a message has been through; two of the same are a loop.
    package static func deliveredTo(_ address: [UInt8]) -> [UInt8] {
        [UInt8]("Delivered-To: ") + address + [.lf]
    }

    /// What may stand in a domain or literal; anything else becomes `?`, and so do brackets around no address.
    private static func clean(_ bytes: [UInt8]) -> [UInt8] {
        var cursor = Cursor(bytes)
        let isLiteral = (try? cursor.addressLiteral()) != nil && cursor.isAtEnd
        return bytes.prefix(255).map { byte in
            switch byte {
            case .ascii("."), .ascii("-"), .ascii("_"), .ascii(":"): byte
            case .ascii("["), .ascii("]"): isLiteral ? byte : .ascii("?")
            default: byte.isAlphanumeric ? byte : .ascii("?")
            }
        }
    }
}
