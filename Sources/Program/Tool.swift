import Bytes
import Unix

/// One option of a tool: a row of the table that parsing, `--help`, and the man page's test share.
package struct Option: Sendable {
    package let short: Character?
    package let long: String
    /// The name of its argument, if it takes one.
    package let argument: String?
    package let meaning: String

    package static func flag(_ short: Character?, _ long: String, _ meaning: String) -> Option {
        Option(short: short, long: long, argument: nil, meaning: meaning)
    }

    package static func value(
        _ short: Character?, _ long: String, _ argument: String, _ meaning: String
    ) -> Option {
        Option(short: short, long: long, argument: argument, meaning: meaning)
    }

    /// Every tool has it.
    package static let config = Option.value(
        "C", "config", "file", "read this instead of the host's relais.conf")
}

/// A program's command line: its name, what it takes, and how it answers `--help`, `--version` and mistakes.
package struct Tool: Sendable {
    package static let version = "0.1"

    package let name: String
    /// What follows the name in the usage line.
    package let synopsis: String
    package let summary: String
    package let options: [Option]
    /// Whether everything from the first operand on is another program's command line.
    package let endsWithCommand: Bool
    /// What the client on descriptor 0 hears of a server that cannot start; empty where it is a program of ours, that can
    /// tell by the end. nil: it is no server.
    private let farewell: String?

    package init(
        _ name: String, synopsis: String, summary: String, options: [Option], endsWithCommand: Bool = false,
        farewell: String? = nil
    ) {
        self.farewell = farewell
        self.endsWithCommand = endsWithCommand
        self.name = name
        self.synopsis = synopsis
        self.summary = summary
        self.options = options
    }

    /// Reads the process's arguments; answers `-h`, `--help`, `--version` and mistakes, and ends then.
    package func arguments() -> Arguments {
        #if DEBUG
            SystemCall.armFromEnvironment()
        #endif
        do throws(UsageError) {
            let arguments = try parse(Environment.arguments.dropFirst())
            if arguments.has("help") { answer(help) }
            if arguments.has("version") { answer("\(name) (relais) \(Self.version)\n") }
            return arguments
        } catch {
            wrong(error.message)
        }
    }

    /// Says on stderr what is wrong with the command line, and ends with status 64.
    package func wrong(_ message: String) -> Never {
        fail("\(message) (\(name) --help shows the options)", .usage)
    }

    /// Says one line on stderr and ends. What of it came from a command line or a file steers no terminal (T73). Started by inetd, where nobody reads that, it says it to syslog, and to a
    /// client what its protocol has for a server that is not there for now. A datagram service has the socket
    /// itself: what waits there is read away, and a while passes, or inetd would start us without end.
    package func fail(_ message: String, _ status: ExitStatus) -> Never {
        let isDatagram = ServiceSocket.isDatagram(0)
        if isDatagram || farewell != nil && StandardDescriptors.isSocket(0) {
            Log(.syslog, name: "relais", program: name).error(message)
            if let farewell, !farewell.isEmpty { try? File.writeAll(1, farewell.utf8) }
        } else {
            complain(message)
        }
        if isDatagram {
            pause(Self.respite)
            _ = ServiceSocket.drain(0)
        }
        status.leave()
    }

    private static let respite = Duration.seconds(10)

    /// Says one line on stderr.
    package func complain(_ message: String) {
        try? File.writeAll(2, "\(name): \(Log.printable(message))\n".utf8)
    }

    private func answer(_ text: String) -> Never {
        do throws(SystemError) {
            try File.writeAll(1, text.utf8)
        } catch {
            fail("\(error)", .inputOutput)
        }
        ExitStatus.ok.leave()
    }

    package var help: String {
        var text = "usage: \(name)\(synopsis.isEmpty ? "" : " ")\(synopsis)\n\(summary)\n\n"
        for option in options + Self.common {
            var left = "  " + (option.short.map { "-\($0), " } ?? "    ") + "--\(option.long)"
            if let argument = option.argument { left += " \(argument)" }
            let pad = String(repeating: " ", count: max(2, 30 - left.utf8.count))
            text += left + pad + option.meaning + "\n"
        }
        return text + "\nThe manual is \(name) in section 1 or 8; relais(7) is the overview.\n"
    }

    private static let common = [
        Option.flag("h", "help", "say this and exit"),
        Option.flag(nil, "version", "say the version and exit"),
    ]

    /// Reads options and operands as getopt_long(3) does, operands anywhere, until `--`.
    package func parse(_ words: some Sequence<String>) throws(UsageError) -> Arguments {
        var result = Arguments()
        var rest = Array(words)[...]
        while let word = rest.popFirst() {
            // By bytes: what Characters are made of would be much of what a tool touches at its start.
            let bytes = Array(word.utf8)
            if word == "--" {
                result.operands += rest
                break
            } else if bytes.count > 1, bytes[0] == .ascii("-"), bytes[1] == .ascii("-") {
                try parseLong(word.dropFirst(2), &rest, &result)
            } else if bytes.count > 1, bytes[0] == .ascii("-") {
                try parseShort(bytes[1...], &rest, &result)
            } else {
                result.operands.append(word)
                guard !endsWithCommand else {
                    result.operands += rest
                    break
                }
            }
        }
        return result
    }

    private func parseLong(
        _ word: Substring, _ rest: inout ArraySlice<String>, _ result: inout Arguments
    ) throws(UsageError) {
        let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        let known = options + Self.common
        guard let option = known.first(where: { $0.long == parts[0] }) else {
            throw UsageError("unknown option --\(Array(parts[0].utf8).escaped(limit: 60))")
        }
        if option.argument == nil {
            guard parts.count == 1 else { throw UsageError("option --\(option.long) takes no argument") }
            result.give(option.long, "")
        } else if parts.count == 2 {
            result.give(option.long, String(parts[1]))
        } else {
            guard let value = rest.popFirst() else {
                throw UsageError("option --\(option.long) needs an argument")
            }
            result.give(option.long, value)
        }
    }

    private func parseShort(
        _ letters: ArraySlice<UInt8>, _ rest: inout ArraySlice<String>, _ result: inout Arguments
    ) throws(UsageError) {
        var letters = letters
        while let letter = letters.popFirst() {
            let shown = [letter].escaped(limit: 8)
            guard let option = (options + Self.common).first(where: { $0.short?.asciiValue == letter }) else {
                throw UsageError("unknown option -\(shown)")
            }
            if option.argument == nil {
                result.give(option.long, "")
            } else if !letters.isEmpty {
                result.give(option.long, String(decoding: letters, as: UTF8.self))
                return
            } else {
                guard let value = rest.popFirst() else {
                    throw UsageError("option -\(shown) needs an argument")
                }
                result.give(option.long, value)
            }
        }
    }
}

/// A command line that cannot be obeyed.
package struct UsageError: Error, Equatable {
    package let message: String
    package init(_ message: String) { self.message = message }
}

/// What a command line said. Options are asked for by their long name.
package struct Arguments {
    package var operands: [String] = []
    /// Two lists rather than one of pairs: a type less to be made at the start of every tool.
    private var names: [String] = []
    private var values: [String] = []

    fileprivate mutating func give(_ name: String, _ value: String) {
        names.append(name)
        values.append(value)
    }

    package func has(_ long: String) -> Bool { names.contains(long) }
    /// The last value given.
    package func value(_ long: String) -> String? { names.lastIndex(of: long).map { values[$0] } }
    package func values(_ long: String) -> [String] {
        names.indices.filter { names[$0] == long }.map { values[$0] }
    }

    /// A whole number between the bounds, or nil when the option was not given.
    package func number(_ long: String, _ range: ClosedRange<Int>) throws(UsageError) -> Int? {
        guard let text = value(long) else { return nil }
        guard let number = Int(strictDecimal: Array(text.utf8)), range.contains(number) else {
            throw UsageError(
                "option --\(long) takes a number from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }
}

/// How a program of ours ends: the codes of sysexits(3), which mail programs have agreed on.
package enum ExitStatus: Int32 {
    case ok = 0
    /// The command line is wrong.
    case usage = 64
    case dataError = 65
    case noInput = 66
    /// The addressee does not exist.
    case noUser = 67
    case noHost = 68
    /// A service that is needed is not there.
    case unavailable = 69
    case software = 70
    case osError = 71
    case osFile = 72
    case cannotCreate = 73
    case inputOutput = 74
    /// Try again later; nothing was kept.
    case temporaryFailure = 75
    case protocolError = 76
    case noPermission = 77
    case configuration = 78

    package func leave() -> Never { terminate(rawValue) }
}
