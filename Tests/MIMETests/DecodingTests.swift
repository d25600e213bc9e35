import Bytes
import MIME
import Testing

@Suite struct DecodingTests {
    /// A byte at a time.
    static func decoded(_ text: String, _ encoding: String) -> String {
        var decoder = TransferDecoder(encoding: Array(encoding.utf8))
        var output: [UInt8] = []
        for byte in text.utf8 { output += decoder.decode([byte], isLast: false) }
        output += decoder.decode([], isLast: true)
        return String(decoding: output, as: UTF8.self)
    }

    @Test(
        "quoted-printable is decoded with good will",
        arguments: [
            ("a=3Db", "a=b"), ("soft=\nbreak", "softbreak"), ("soft=  \r\nbreak", "softbreak"), ("=", "="),
            ("=4", "=4"), ("=zz", "=zz"),
            ("=c3=a9", "é"), ("end=", "end="), ("", ""),
        ])
    func quotedPrintable(text: String, plain: String) {
        #expect(TransferDecoding.quotedPrintable(Array(text.utf8)) == Array(plain.utf8))
        #expect(Self.decoded(text, "Quoted-Printable") == plain)
    }

    @Test(
        "base 64 in mail may hold anything between",
        arguments: [
            ("aGVsbG8=", "hello"), ("aGVs\r\nbG8", "hello"), ("a G!V*sbG8=zzz", "hello"), ("", ""), ("=", ""),
        ])
    func base64(text: String, plain: String) {
        #expect(TransferDecoding.base64(Array(text.utf8)) == Array(plain.utf8))
        #expect(Self.decoded(text, "BASE64") == plain)
    }

    @Test(
        "encoded words are decoded where RFC 2047 allows, and left alone elsewhere",
        arguments: [
            ("=?utf-8?q?h=C3=A9llo?=", "héllo"), ("=?UTF-8?B?aMOpbGxv?=", "héllo"),
            ("=?iso-8859-1?Q?caf=E9_x?=", "café x"),
            ("=?utf-8?q?a?= =?utf-8?q?b?=", "ab"), ("=?utf-8?q?a?= b", "a b"), ("=?utf-8?q?a", "=?utf-8?q?a"),
            ("=?x?", "=?x?"),
            ("=?unknown?q?a?=", "=?unknown?q?a?="), ("=?utf-8*en?q?a?=", "a"),
            ("=?windows-1252?q?=80?=", "€"), ("plain", "plain"),
            ("=?utf-8?x?a?=", "=?utf-8?x?a?="), ("==?utf-8?q?a?=", "=a"),
            ("=?utf-8?q?a b?=", "a b"), ("x =?utf-8?q?a?= y", "x a y"),
            ("=?iso-8859-1?Q?a LP pr?=\n =?iso-8859-1?Q?e-order?=", "a LP pre-order"),
            // A character in two words, of which each is no text of its own.
            ("=?utf-8?q?=E6=B5?= =?utf-8?q?=8B?=!", "测!"), ("=?utf-8?b?5g==?=\n\t=?UTF-8?b?tYs=?=", "测"),
            ("=?utf-8?q?=C3?= =?iso-8859-1?q?=A9?=", "\u{FFFD}©"),
            ("=?unknown?q?a?= =?utf-8?q?b?=", "=?unknown?q?a?= b"),
            ("=?unknown?q?a?= =?unknown?q?b?=", "=?unknown?q?a?= =?unknown?q?b?="),
            ("=??q?a?=", "=??q?a?="), ("a=?b=?c", "a=?b=?c"), ("=?utf-8?q??=", ""),
        ])
    func words(text: String, plain: String) {
        let decoded = CharsetDecoder().decodeWords(Array(text.utf8))
        #expect(String(decoding: decoded, as: UTF8.self) == plain)
    }

    @Test(
        "parameters of a field are read",
        arguments: [
            ("text/plain; charset=utf-8", "text/plain", "utf-8"),
            ("text/plain;charset=\"a;b\"", "text/plain", "a;b"),
            ("text/plain (c) ; (d) charset = x (e)", "text/plain", "x"),
            ("text/plain; charset=\"a\\\"b\"", "text/plain", "a\"b"),
            ("text/plain; x; charset=y", "text/plain", "y"), ("text/plain", "text/plain", nil),
            ("; charset=z", "", "z"),
            ("text/plain; charset=\"open", "text/plain", "open"),
            ("\"text/plain\"; charset=x", "text/plain", "x"),
            ("'text/plain'; charset=x", "'text/plain'", "x"),
            // RFC 2231: in pieces, in any order, percent-encoded, with charset and language.
            ("text/plain; charset*0=a; charset*1=\"b c\"", "text/plain", "ab c"),
            ("text/plain; charset*1=b; charset*0=a", "text/plain", "ab"),
            (
                "text/plain; charset*0*=us-ascii'en'u%74; charset*1=\"f-\"; charset*2*=%38", "text/plain",
                "utf-8"
            ),
            ("text/plain; charset*=utf-8''a%20b", "text/plain", "a b"),
            ("text/plain; charset*=a%zz%4", "text/plain", "a%zz%4"),
            ("text/plain; charset*0=a; charset*2=c", "text/plain", "a"),
            ("text/plain; charset*1=b", "text/plain", nil),
            ("text/plain; charset=plain; charset*0=a", "text/plain", "plain"),
        ] as [(String, String, String?)])
    func parameters(text: String, value: String, charset: String?) {
        let read = ParameterizedValue(Array(text.utf8))
        #expect(read.value == Array(value.utf8))
        #expect(read.first("CHARSET") == charset.map { Array($0.utf8) })
    }
}
