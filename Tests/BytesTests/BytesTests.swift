import Testing

import Bytes

@Suite struct BytesTests {
    @Test("case is folded in ASCII and nowhere else")
    func folding() {
        #expect([UInt8]("EhLo").equalsFolded("ehlo"))
        #expect(!Array("\u{212A}".utf8).equalsFolded("k"))
        #expect(![UInt8]("EHL").equalsFolded("EHLO"))
        #expect(![UInt8]("EHLOX").equalsFolded("EHLO"))
    }

    @Test(
        "decimal is digits only and fits",
        arguments: [
            ("0", 0), ("00017", 17), ("18446744073709551615", UInt64.max), ("", nil), ("+5", nil),
            ("-1", nil), ("0x10", nil), (" 1", nil), ("18446744073709551616", nil),
            ("999999999999999999999999999999", nil),
        ] as [(String, UInt64?)])
    func decimal(text: String, value: UInt64?) {
        #expect(UInt64(strictDecimal: Array(text.utf8)) == value)
    }

    @Test(
        "base 64 is read only in its canonical form",
        arguments: [
            ("", ""), ("Zg==", "f"), ("Zm8=", "fo"), ("Zm9v", "foo"), ("Zh==", nil), ("Zm9=", nil),
            ("Zg=", nil), ("Zg", nil), ("=Zg=", nil), ("Zg==Zg==", nil), ("Z g=", nil), ("====", nil),
        ] as [(String, String?)])
    func base64(text: String, plain: String?) {
        #expect(Base64.decode(Array(text.utf8)) == plain.map { Array($0.utf8) })
        if let plain { #expect(Base64.encode(Array(plain.utf8)) == Array(text.utf8)) }
    }

    @Test("a netstring comes whole or not at all")
    func netstring() {
        var bytes: [UInt8] = []
        Netstring.append([UInt8]("hello"), to: &bytes)
        Netstring.append([], to: &bytes)
        #expect(bytes == [UInt8]("5:hello,0:,"))
        #expect(Netstring.fields(of: bytes[...])?.map(Array.init) == [[UInt8]("hello"), []])
        for end in 0..<8 {
            #expect(Netstring.read(bytes[0..<end], limit: 100) == .incomplete)
        }
        #expect(Netstring.read([UInt8]("6:hello,")[...], limit: 5) == .malformed)
        #expect(Netstring.read([UInt8]("5:hellox")[...], limit: 9) == .malformed)
        #expect(Netstring.read([UInt8]("+5:hello,")[...], limit: 9) == .malformed)
        #expect(Netstring.read(Array(repeating: 0x31, count: 30)[...], limit: 9) == .malformed)
    }

    @Test("what a stranger sent is shown without control bytes and bounded")
    func escaping() {
        #expect([UInt8]("a\u{1b}[31m\r\n\\").escaped() == "a\\x1b[31m\\x0d\\x0a\\\\")
        #expect(Array(repeating: UInt8.dot, count: 10).escaped(limit: 3) == "......")
    }
}
