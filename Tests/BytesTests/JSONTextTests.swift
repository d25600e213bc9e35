import Bytes
import Testing

@Suite("JSON")
struct JSONTextTests {
    @Test(
        "strings are ASCII, whatever they hold (RFC 8259 §7)",
        arguments: [
            ([], #""""#), (Array("plain".utf8), #""plain""#), (Array(#"a"b\c"#.utf8), #""a\"b\\c""#),
            (Array("\n\r\t\u{1B}\u{7F}\0".utf8), #""\n\r\t\u001b\u007f\u0000""#),
            (Array("é€😀".utf8), #""\u00e9\u20ac\ud83d\ude00""#), ([0x61, 0xFF, 0x62], #""a\ufffdb""#),
            (Array("\u{9B}31m".utf8), #""\u009b31m""#),
        ] as [([UInt8], String)])
    func strings(bytes: [UInt8], expected: String) {
        var text = JSONText()
        text.element { $0.member("k", bytes) }
        #expect(String(decoding: text.bytes, as: UTF8.self) == "{\"k\": \(expected)}")
    }

    @Test("members and elements have commas between them, and none where nothing is")
    func nesting() {
        var text = JSONText()
        text.element { object in
            object.member("a", 1)
            object.member("none", array: { _ in })
            object.member(
                "list",
                array: { list in
                    list.element { $0.member("x", true) }
                    list.element { _ in }
                    list.element("y")
                })
            object.member("o", object: { $0.member("z", -5) })
            object.member("end", "e")
        }
        #expect(
            String(decoding: text.bytes, as: UTF8.self)
                == #"{"a": 1, "none": [], "list": [{"x": true}, {}, "y"], "o": {"z": -5}, "end": "e"}"#)
    }
}
