import Bytes
import Unix

/// Where a program says what it did: syslog, a file, or stderr when run by hand. A line has Postfix's shape,
/// `<name>/<program>[<pid>]: <text>`, so that what reads mail logs today goes on reading. Every line is in
/// relais-log(5).
package final class Log {
    package enum Target: Equatable {
        case syslog
        case file(String)
        case stderr
        case none
    }

    package enum Severity: Int {
        case error = 3
        case warning = 4
        case info = 6
    }

    private static let mailFacility = 2
    private static let longest = 2000
    private static let patience = Duration.seconds(1)

    private var target: Target
    private var tag: String
    private lazy var system = SystemLog()
    private lazy var process = Identity.process
    private var file: CInt?

    package convenience init(_ target: Target, name: String, program: String) {
        self.init(target, tag: "\(name)/\(program)")
    }

    package init(_ target: Target, tag: String) {
        self.target = target
        self.tag = tag
    }

    /// Goes on as another log.
    package func continueAs(_ other: Log) { (target, tag, file) = (other.target, other.tag, nil) }

    /// Opens a log file now, for a program that is about to become somebody who may not.
    package func open() {
        if case .file(let path) = target { open(path) }
    }

    private func open(_ path: String) {
        if file == nil { file = (try? Path.openForAppending(path))?.release() }
    }

    package func info(_ text: String) { write(text, .info) }
    package func warning(_ text: String) { write("warning: \(text)", .warning) }
    package func error(_ text: String) { write("error: \(text)", .error) }

    private func write(_ text: String, _ severity: Severity) {
        // Callers escape what strangers sent; this is the second lock on that door (T84).
        let line = Self.printable(text)
        switch target {
        case .none: return
        case .syslog:
            system.send(severity: severity.rawValue, facility: Self.mailFacility, tag: tag, text: line)
        case .stderr: try? File.writeAll(2, tagged(line, behind: []))
        case .file(let path):
            open(path)
            guard let file else { return }
            let stamp = LocalTime(.now()).logStamp
            append(tagged(line, behind: stamp + [.space] + Self.host + [.space]), to: file)
        }
    }

    /// No mail waits for the reader of a FIFO: after a while its line is lost. One that is shorter than PIPE_BUF goes whole or not.
    private func append(_ line: [UInt8], to file: CInt) {
        do throws(SystemError) { try File.writeAll(file, line) } catch {
            guard error.code == .again,
                (try? Poll.wait(file, for: .writing, until: .after(Self.patience))) == true
            else { return }
            try? File.writeAll(file, line)
        }
    }

    private func tagged(_ text: String, behind head: [UInt8]) -> [UInt8] {
        var line: [UInt8] = []
        line.reserveCapacity(head.count + tag.utf8.count + text.utf8.count + 16)
        line += head
        line += tag.utf8
        line.append(.ascii("["))
        line.append(decimal: Int(process))
        line += "]: "
        line += text.utf8
        line.append(.lf)
        return line
    }

    private static let host = Array(Host.bareName.utf8.prefix { $0 != .dot })

    /// A text as it may stand in a log or on a terminal: one line of bounded length, nothing raw that is not printable.
    package static func printable(_ text: String) -> String {
        text.utf8.count <= longest && text.utf8.allSatisfy { $0.isPrintable }
            ? text : Array(text.utf8).escapedControls(limit: longest)
    }
}

extension Array where Element == UInt8 {
    /// Like `escaped`, but a backslash stays: for text that was escaped once already.
    fileprivate func escapedControls(limit: Int) -> String {
        split(separator: .backslash, omittingEmptySubsequences: false)
            .map { $0.escaped(limit: limit) }.joined(separator: "\\")
    }
}
