import Bytes
import Unix

/// charset-decode(8) at work for this session: started for the first text that needs it, and kept.
final class CharsetHelper {
    /// Closed with its owner, and with it the helper ends.
    private var socket: Descriptor?
    private var stream: ByteStream?
    /// It is not installed, or did what it must not: its charsets are unknown for this session.
    private var isUnusable = false
    private let report: (String) -> Void

    /// A text of the longest kind takes a fraction of this.
    private static let patience = Duration.seconds(30)
    private static let longestAnswer = 1 << 29

    /// `report` is told once when the helper is of no use.
    init(report: @escaping (String) -> Void) { self.report = report }

    /// UTF-8; nil for a charset that nobody knows.
    func decode(_ bytes: [UInt8], _ charset: [UInt8]) -> [UInt8]? {
        if stream == nil, !isUnusable { start() }
        guard let stream else { return nil }
        do throws(StreamError) {
            if let answer = try ask(stream, bytes, charset), let kind = answer.first {
                return kind == .ascii("K") ? Array(answer.dropFirst()) : nil
            }
            giveUp("what charset-decode says is no answer")
        } catch { giveUp("charset-decode: \(error)") }
        return nil
    }

    private func ask(
        _ stream: ByteStream, _ bytes: [UInt8], _ charset: [UInt8]
    ) throws(StreamError) -> ArraySlice<UInt8>? {
        var fields: [UInt8] = []
        Netstring.append(charset, to: &fields)
        Netstring.append(bytes, to: &fields)
        var request: [UInt8] = []
        Netstring.append(fields, to: &request)
        try stream.write(request)
        while true {
            switch Netstring.read(stream.buffered, limit: Self.longestAnswer) {
            case .malformed: return nil
            case .incomplete: if try !stream.fill() { return nil }
            case .whole(let answer, let size):
                defer { stream.consume(size) }
                return answer
            }
        }
    }

    private func start() {
        do throws(SystemError) {
            let program = "\(Path.split(try Path.ofThisProgram()).directory)/charset-decode"
            let ends = try DescriptorPair.sockets()
            _ = try ChildProcess.start(
                program, arguments: ["charset-decode", "--service"], environment: [],
                input: ends.second.raw, output: ends.second.raw, error: 2)
            let socket = ends.keepFirst()
            stream = ByteStream(input: socket.raw, output: socket.raw, patience: Self.patience)
            self.socket = consume socket
        } catch { giveUp("\(error)") }
    }

    private func giveUp(_ reason: String) {
        isUnusable = true
        stream = nil
        socket = nil
        report("charsets other than UTF-8, ISO-8859-1 and windows-1252 are not searched: \(reason)")
    }
}
