import Bytes

/// A command line of RFC 1939 §3, read whole.
enum Command: Equatable {
    case user([UInt8])
    case pass([UInt8])
    case capa
    case stls
    case quit
    case noop
    case stat
    case list(Int?)
    case uidl(Int?)
    case retr(Int)
    case dele(Int)
    case top(Int, lines: Int)
    case rset
    /// APOP and AUTH, which we do not do.
    case unsupported

    enum Failure: Error, Equatable { case unknown, syntax }

    /// The commands, each with how it reads its arguments.
    private static let table:
        [(name: StaticString, read: @Sendable (ArraySlice<UInt8>) throws(Failure) -> Command)] = [
            ("USER", { rest throws(Failure) in .user(try word(rest)) }),
            ("PASS", { rest throws(Failure) in .pass(try password(rest)) }),
            ("CAPA", { rest throws(Failure) in try bare(.capa, rest) }),
            ("STLS", { rest throws(Failure) in try bare(.stls, rest) }),
            ("QUIT", { rest throws(Failure) in try bare(.quit, rest) }),
            ("NOOP", { rest throws(Failure) in try bare(.noop, rest) }),
            ("STAT", { rest throws(Failure) in try bare(.stat, rest) }),
            ("LIST", { rest throws(Failure) in .list(try optionalNumber(rest)) }),
            ("UIDL", { rest throws(Failure) in .uidl(try optionalNumber(rest)) }),
            ("RETR", { rest throws(Failure) in .retr(try numbers(rest, 1)[0]) }),
            ("DELE", { rest throws(Failure) in .dele(try numbers(rest, 1)[0]) }),
            (
                "TOP",
                { rest throws(Failure) in
                    let both = try numbers(rest, 2)
                    return .top(both[0], lines: both[1])
                }
            ),
            ("RSET", { rest throws(Failure) in try bare(.rset, rest) }),
            ("APOP", { _ throws(Failure) in .unsupported }),
            ("AUTH", { _ throws(Failure) in .unsupported }),
        ]

    /// Reads a line without its line end.
    static func read(_ line: ArraySlice<UInt8>) throws(Failure) -> Command {
        let verb = line.prefix(while: { $0.isAlpha })
        let rest = line.dropFirst(verb.count)
        guard let entry = table.first(where: { verb.equalsFolded($0.name) }),
            rest.isEmpty || rest.first == .space
        else {
            throw .unknown
        }
        return try entry.read(rest.dropFirst())
    }

    private static func bare(_ command: Command, _ rest: ArraySlice<UInt8>) throws(Failure) -> Command {
        guard rest.allSatisfy({ $0 == .space }) else { throw .syntax }
        return command
    }

    private static func word(_ rest: ArraySlice<UInt8>) throws(Failure) -> [UInt8] {
        let word = Array(rest.trimmed())
        guard !word.isEmpty, word.count <= 255, word.allSatisfy({ !$0.isControl && $0 != .space }) else {
            throw .syntax
        }
        return word
    }

    /// RFC 1939 §7: everything behind the one space, spaces included.
    private static func password(_ rest: ArraySlice<UInt8>) throws(Failure) -> [UInt8] {
        guard !rest.isEmpty, rest.count <= 512, !rest.contains(where: { $0.isControl }) else { throw .syntax }
        return Array(rest)
    }

    private static func optionalNumber(_ rest: ArraySlice<UInt8>) throws(Failure) -> Int? {
        rest.allSatisfy { $0 == .space } ? nil : try numbers(rest, 1)[0]
    }

    private static func numbers(_ rest: ArraySlice<UInt8>, _ count: Int) throws(Failure) -> [Int] {
        let words = rest.split(separator: .space)
        // Digits only, and what fits: no sign, no other base, no wrap (T50).
        let numbers = words.compactMap { Int(strictDecimal: $0) }
        guard words.count == count, numbers.count == count else { throw .syntax }
        return numbers
    }
}
