import Program
import Testing

@Suite struct ToolTests {
    static let tool = Tool(
        "probe", synopsis: "[-v] [-n count] file", summary: "Probe.",
        options: [.flag("v", "verbose", "say more"), .value("n", "count", "count", "how many"), .config])

    @Test("options and operands are told apart as getopt_long does")
    func parsing() throws {
        let words = ["-vn3", "file", "--count=4", "-C", "x", "--", "-v"]
        let read = try Self.tool.parse(words)
        #expect(read.has("verbose"))
        #expect(read.values("count") == ["3", "4"])
        #expect(read.value("config") == "x")
        #expect(read.operands == ["file", "-v"])
        #expect(try read.number("count", 1...4) == 4)
        #expect(throws: UsageError.self) { try read.number("count", 1...3) }
    }

    @Test(
        "a wrong command line says what is wrong",
        arguments: [
            (["-x"], "unknown option -x"), (["--nope"], "unknown option --nope"),
            (["-n"], "option -n needs an argument"), (["--count"], "option --count needs an argument"),
            (["--verbose=1"], "option --verbose takes no argument"),
            (["--\u{1b}"], "unknown option --\\x1b"),
        ])
    func mistakes(words: [String], message: String) {
        #expect(throws: UsageError(message)) { try Self.tool.parse(words) }
    }

    @Test("a lone hyphen is an operand, and so is everything behind --")
    func hyphens() throws {
        #expect(try Self.tool.parse(["-", "--", "--verbose"]).operands == ["-", "--verbose"])
    }
}
