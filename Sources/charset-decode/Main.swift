import Bytes
import Program
import Sandbox
import Unix

/// charset-decode(8): text in any charset that the system's iconv knows, in UTF-8. imapd starts it for the texts that
/// need it, so that imapd itself is static, small and quick to start: iconv loads its tables as plug-ins.
///
/// A request is a netstring that holds two: the charset and the text. The answer is a netstring: `K` and the text, or `U`
/// for an unknown charset. Anything else on the input ends the program.
@main
enum Main {
    static let tool = Tool(
        "charset-decode", synopsis: "charset | --service",
        summary: "Turn text in a charset into UTF-8, from standard input to standard output.",
        options: [.flag(nil, "service", "answer imapd's requests until it closes its end")])

    /// The same as imapd's own limit for one text.
    private static let longestText = 1 << 26

    static func main() {
        StandardDescriptors.fillHoles()
        StandardDescriptors.ignoreBrokenPipes()
        Environment.keepOnly(["PATH_LOCALE"])
        let arguments = tool.arguments()
        do throws(SystemError) {
            try Sandbox.renounceNewRights()
            try Sandbox.enter(.charsetDecode)
        } catch { tool.fail("\(error)", .osError) }
        if arguments.has("service") {
            guard arguments.operands.isEmpty else { tool.wrong("--service takes no operands") }
            serve()
        } else {
            guard arguments.operands.count == 1 else { tool.wrong("it takes one charset") }
            convert(arguments.operands[0])
        }
        ExitStatus.ok.leave()
    }

    private static func convert(_ charset: String) {
        do throws(SystemError) {
            guard let text = try Descriptor(adopting: 0).readAll(limit: longestText) else {
                tool.fail("the text is longer than \(longestText) bytes", .dataError)
            }
            guard let converted = Charset.decode(text, Array(charset.utf8)) else {
                tool.fail(
                    "\(Array(charset.utf8).escaped(limit: 40)): no such charset; iconv -l lists them", .usage)
            }
            try File.writeAll(1, converted)
        } catch { tool.fail("\(error)", .inputOutput) }
    }

    private static func serve() {
        let stream = ByteStream(input: 0, output: 1, patience: .seconds(86400))
        do throws(StreamError) {
            while true {
                switch Netstring.read(stream.buffered, limit: longestText + 128) {
                case .malformed: tool.fail("what came is no request", .protocolError)
                case .incomplete: if try !stream.fill() { return }
                case .whole(let request, let size):
                    let fields = Netstring.fields(of: request) ?? []
                    guard fields.count == 2 else { tool.fail("what came is no request", .protocolError) }
                    let text = Charset.decode(Array(fields[1]), Array(fields[0]))
                    var answer: [UInt8] = []
                    Netstring.append(text.map { [.ascii("K")] + $0 } ?? [.ascii("U")], to: &answer)
                    stream.consume(size)
                    try stream.write(answer)
                }
            }
        } catch { return }
    }
}
