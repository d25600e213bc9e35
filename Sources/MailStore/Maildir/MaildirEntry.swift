import Bytes

/// One file of a Maildir, as its name tells.
package struct MaildirEntry: Equatable {
    package enum Half: String { case new, cur }

    package let half: Half
    /// The whole file name.
    package let name: [UInt8]
    /// The name without `:2,` and flags: the same for the message's whole life.
    package let base: [UInt8]
    /// The letters behind `:2,`: capitals are the flags of the Maildir specification, small ones keywords.
    package let flags: [UInt8]

    package init(_ half: Half, _ name: [UInt8]) {
        self.half = half
        self.name = name
        let colon = name.lastIndex(of: .ascii(":"))
        base = Array(name[..<(colon ?? name.endIndex)])
        let info = colon.map { name[($0 + 1)...] } ?? []
        flags = info.starts(with: Array("2,".utf8)) ? Array(info.dropFirst(2)) : []
    }

    /// The name with other flags, in the order that the specification asks for.
    package func name(with flags: [UInt8]) -> [UInt8] { base + Array(":2,".utf8) + flags.sorted() }

    /// What the name says of the message's size in octets: on disk (`,S=`), and with CRLF (`,W=`).
    package var storedSize: Int? { number(behind: ",S=") }
    package var wireSize: Int? { number(behind: ",W=") }

    private func number(behind key: StaticString) -> Int? {
        let key = Array(key)
        var index = 0
        while index + key.count <= base.count {
            if base[index...].starts(with: key) {
                return Int(strictDecimal: base[(index + key.count)...].prefix { $0.isDigit })
            }
            index += 1
        }
        return nil
    }

    /// When it was delivered, in seconds since 1970, if the name begins as the specification asks for.
    package var deliverySeconds: Int64? { Int64(strictDecimal: base.prefix { $0.isDigit }) }
}
