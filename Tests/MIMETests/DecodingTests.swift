import Bytes
import MIME
import Testing

@Suite struct DecodingTests {
    @Test(
        "quoted-printable is decoded with good will",
        arguments: [
            ("a=3Db", "a=b"), ("soft=\nbreak", "softbreak"), ("soft=  \r\nbreak", "softbreak"), ("=", "="),
            ("=4", "=4"), ("=zz", "=zz"),
            ("=c3=a9", "é"), ("end=", "end="), ("", ""),
        ])
    func quotedPrintable(text: String, plain: String) {
        #expect(TransferDecoding.quotedPrintable(Array(text.utf8)) == Array(plain.utf8))
    }

    @Test(
        "base 64 in mail may hold anything between",
        arguments: [
            ("aGVsbG8=", "hello"), ("aGVs\r\nbG8", "hello"), ("a G!V*sbG8=zzz", "hello"), ("", ""), ("=", ""),
        ])
    func base64(text: String, plain: String) {
        #expect(TransferDecoding.base64(Array(text.utf8)) == Array(plain.utf8))
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
            ("=?utf-8?q?a b?=", "=?utf-8?q?a b?="),
        ])
    func words(text: String, plain: String) {
        #expect(CharsetDecoder().decodeWords(Array(text.utf8)) == Array(plain.utf8))
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
        ] as [(String, String, String?)])
    func parameters(text: String, value: String, charset: String?) {
        let read = ParameterizedValue(Array(text.utf8))
        #expect(read.value == Array(value.utf8))
        #expect(read.first("CHARSET") == charset.map { Array($0.utf8) })
    }
}
