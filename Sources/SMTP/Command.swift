import Bytes
package import Mail

/// A command line of RFC 5321 §4.1.1, read whole.
package enum Command: Equatable {
    case hello([UInt8], isExtended: Bool)
    /// A nil path is the null reverse-path.
    case mail(Address?, Parameters)
    case recipient(Address, Parameters)
    case data
    case reset
    case noop
    case quit
    case verify
    case help
    case startTLS
    /// One of those that we know of and do not do.
    case notImplemented
    /// What a browser, a proxy or an attack on one sends (T23).
    case foreign
}

/// Why a command line was not taken: for the reply.
package enum CommandError: Error, Equatable {
    case unknown
    /// The form that was expected.
    case syntax(StaticString)
    case badAddress(StaticString)

    package static func == (a: CommandError, b: CommandError) -> Bool {
        switch (a, b) {
        case (.unknown, .unknown): true
        case (.syntax(let one), .syntax(let other)): one.description == other.description
        case (.badAddress(let one), .badAddress(let other)): one.description == other.description
        default: false
        }
    }
}

extension Command {
    /// The verbs, and how each reads what is behind it.
    private static let verbs:
        [(name: StaticString, read: @Sendable (inout Cursor) throws(CommandError) -> Command)] = [
            ("EHLO", { cursor throws(CommandError) in try hello(&cursor, isExtended: true) }),
            ("HELO", { cursor throws(CommandError) in try hello(&cursor, isExtended: false) }),
            ("MAIL", { cursor throws(CommandError) in try mail(&cursor) }),
            ("RCPT", { cursor throws(CommandError) in try recipient(&cursor) }),
            ("DATA", { cursor throws(CommandError) in try bare(.data, "DATA", cursor) }),
            ("RSET", { cursor throws(CommandError) in try bare(.reset, "RSET", cursor) }),
            ("NOOP", { _ throws(CommandError) in .noop }),
            ("QUIT", { cursor throws(CommandError) in try bare(.quit, "QUIT", cursor) }),
            ("VRFY", { cursor throws(CommandError) in try verify(cursor) }),
            ("HELP", { _ throws(CommandError) in .help }),
            ("STARTTLS", { cursor throws(CommandError) in try bare(.startTLS, "STARTTLS", cursor) }),
            ("EXPN", { _ throws(CommandError) in .notImplemented }),
            ("ETRN", { _ throws(CommandError) in .notImplemented }),
            ("AUTH", { _ throws(CommandError) in .notImplemented }),
            ("BDAT", { _ throws(CommandError) in .notImplemented }),
            ("TURN", { _ throws(CommandError) in .notImplemented }),
            ("XCLIENT", { _ throws(CommandError) in .notImplemented }),
            ("XFORWARD", { _ throws(CommandError) in .notImplemented }),
            ("GET", { _ throws(CommandError) in .foreign }),
            ("POST", { _ throws(CommandError) in .foreign }),
            ("PUT", { _ throws(CommandError) in .foreign }),
            ("OPTIONS", { _ throws(CommandError) in .foreign }),
            ("CONNECT", { _ throws(CommandError) in .foreign }),
            ("PROXY", { _ throws(CommandError) in .foreign }),
        ]

    /// Reads a line without its CRLF.
    package static func read(_ line: ArraySlice<UInt8>) throws(CommandError) -> Command {
        var cursor = Cursor(line)
        let verb = cursor.take(while: { $0.isAlpha })
        guard let entry = verbs.first(where: { verb.equalsFolded($0.name) }),
            cursor.isAtEnd || cursor.peek == .space
        else { throw .unknown }
        return try entry.read(&cursor)
    }

    /// A command without an argument; blanks behind it are forgiven.
    private static func bare(
        _ command: Command, _ form: StaticString, _ cursor: Cursor
    ) throws(CommandError) -> Command {
        guard cursor.rest.allSatisfy({ $0 == .space }) else { throw .syntax(form) }
        return command
    }

    /// RFC 5321 §4.1.1.1. Domain or literal are not looked at more closely: too many clients have neither.
    private static func hello(_ cursor: inout Cursor, isExtended: Bool) throws(CommandError) -> Command {
        let name = cursor.rest.trimmed()
        guard !name.isEmpty, name.count <= AddressLimit.domain, name.allSatisfy({ $0.isVisible }) else {
            throw .syntax(isExtended ? "EHLO domain" : "HELO domain")
        }
        return .hello(Array(name), isExtended: isExtended)
    }

    /// RFC 5321 §4.1.1.2: `"MAIL FROM:" Reverse-path [SP Mail-parameters]`; a blank before the path is forgiven.
    private static func mail(_ cursor: inout Cursor) throws(CommandError) -> Command {
        let form: StaticString = "MAIL FROM:<address> [parameters]"
        guard cursor.skip(" FROM:") else { throw .syntax(form) }
        _ = cursor.take { $0 == .space }
        guard cursor.peek == .ascii("<") else { throw .syntax(form) }
        let path: Address?
        do { path = try cursor.reversePath() } catch { throw .badAddress(form) }
        return .mail(path, try parameters(cursor, form))
    }

    /// RFC 5321 §4.1.1.3: `"RCPT TO:" ( "<Postmaster>" / Forward-path ) [SP Rcpt-parameters]`.
    private static func recipient(_ cursor: inout Cursor) throws(CommandError) -> Command {
        let form: StaticString = "RCPT TO:<address> [parameters]"
        guard cursor.skip(" TO:") else { throw .syntax(form) }
        _ = cursor.take { $0 == .space }
        guard cursor.peek == .ascii("<") else { throw .syntax(form) }
        let path: Address
        do { path = try cursor.forwardPath() } catch { throw .badAddress(form) }
        return .recipient(path, try parameters(cursor, form))
    }

    private static func parameters(_ cursor: Cursor, _ form: StaticString) throws(CommandError) -> Parameters
    {
        guard cursor.isAtEnd || cursor.peek == .space else { throw .syntax(form) }
        do { return try Parameters(cursor.rest) } catch { throw .syntax(form) }
    }

    private static func verify(_ cursor: Cursor) throws(CommandError) -> Command {
        guard cursor.rest.contains(where: { $0 != .space }) else { throw .syntax("VRFY address") }
        return .verify
    }
}
