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
    /// RFC 4954 §4; the response in base 64, as it came.
    case authenticate(mechanism: [UInt8], initialResponse: [UInt8]?)
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
        [(name: StaticString, read: @Sendable (inout Cursor, Bool) throws(CommandError) -> Command)] = [
            ("EHLO", { cursor, _ throws(CommandError) in try hello(&cursor, isExtended: true) }),
            ("HELO", { cursor, _ throws(CommandError) in try hello(&cursor, isExtended: false) }),
            ("MAIL", { cursor, isOurs throws(CommandError) in try mail(&cursor, isOurs) }),
            ("RCPT", { cursor, isOurs throws(CommandError) in try recipient(&cursor, isOurs) }),
            ("DATA", { cursor, _ throws(CommandError) in try bare(.data, "DATA", cursor) }),
            ("RSET", { cursor, _ throws(CommandError) in try bare(.reset, "RSET", cursor) }),
            ("NOOP", { _, _ throws(CommandError) in .noop }),
            ("QUIT", { cursor, _ throws(CommandError) in try bare(.quit, "QUIT", cursor) }),
            ("VRFY", { cursor, _ throws(CommandError) in try verify(cursor) }),
            ("HELP", { _, _ throws(CommandError) in .help }),
            ("STARTTLS", { cursor, _ throws(CommandError) in try bare(.startTLS, "STARTTLS", cursor) }),
            ("EXPN", { _, _ throws(CommandError) in .notImplemented }),
            ("ETRN", { _, _ throws(CommandError) in .notImplemented }),
            ("AUTH", { cursor, _ throws(CommandError) in try authenticate(cursor) }),
            ("BDAT", { _, _ throws(CommandError) in .notImplemented }),
            ("TURN", { _, _ throws(CommandError) in .notImplemented }),
            ("XCLIENT", { _, _ throws(CommandError) in .notImplemented }),
            ("XFORWARD", { _, _ throws(CommandError) in .notImplemented }),
            ("GET", { _, _ throws(CommandError) in .foreign }),
            ("POST", { _, _ throws(CommandError) in .foreign }),
            ("PUT", { _, _ throws(CommandError) in .foreign }),
            ("OPTIONS", { _, _ throws(CommandError) in .foreign }),
            ("CONNECT", { _, _ throws(CommandError) in .foreign }),
            ("PROXY", { _, _ throws(CommandError) in .foreign }),
        ]

    /// Reads a line without its CRLF. `isOurs`: a client of our own, which may write addresses as people do.
    package static func read(
        _ line: ArraySlice<UInt8>, isOurs: Bool = false
    ) throws(CommandError) -> Command {
        var cursor = Cursor(line)
        let verb = cursor.take(while: { $0.isAlpha })
        guard let entry = verbs.first(where: { verb.equalsFolded($0.name) }),
            cursor.isAtEnd || cursor.peek?.isWhitespace == true
        else {
            if HTTPRequestLine.isOne(line) { return .foreign }
            throw .unknown
        }
        return try entry.read(&cursor, isOurs)
    }

    /// A command without an argument; blanks behind it are forgiven.
    private static func bare(
        _ command: Command, _ form: StaticString, _ cursor: Cursor
    ) throws(CommandError) -> Command {
        guard cursor.rest.allSatisfy({ $0.isWhitespace }) else { throw .syntax(form) }
        return command
    }

    /// RFC 5321 §4.1.1.1. Domain or literal are not looked at more closely: too many clients have neither, and no
    /// message may be refused for it (RFC 5321 §4.1.4).
    private static func hello(_ cursor: inout Cursor, isExtended: Bool) throws(CommandError) -> Command {
        let name = cursor.rest.trimmed()
        guard !name.isEmpty else { throw .syntax(isExtended ? "EHLO domain" : "HELO domain") }
        return .hello(Array(name.prefix(AddressLimit.domain)), isExtended: isExtended)
    }

    /// RFC 5321 §4.1.1.2: `"MAIL FROM:" Reverse-path [SP Mail-parameters]`.
    private static func mail(_ cursor: inout Cursor, _ isOurs: Bool) throws(CommandError) -> Command {
        let form: StaticString = "MAIL FROM:<address> [parameters]"
        try begin(&cursor, "FROM:", isOurs, form)
        let path: Address?
        do { path = try cursor.reversePath(isOurs: isOurs) } catch { throw .badAddress(form) }
        return .mail(path, try parameters(cursor, form))
    }

    /// RFC 5321 §4.1.1.3: `"RCPT TO:" ( "<Postmaster>" / Forward-path ) [SP Rcpt-parameters]`.
    private static func recipient(_ cursor: inout Cursor, _ isOurs: Bool) throws(CommandError) -> Command {
        let form: StaticString = "RCPT TO:<address> [parameters]"
        try begin(&cursor, "TO:", isOurs, form)
        let path: Address
        do { path = try cursor.forwardPath(isOurs: isOurs) } catch { throw .badAddress(form) }
        return .recipient(path, try parameters(cursor, form))
    }

    /// Reads up to the path; blanks around the word are forgiven.
    private static func begin(
        _ cursor: inout Cursor, _ word: StaticString, _ isOurs: Bool, _ form: StaticString
    ) throws(CommandError) {
        _ = cursor.take(while: { $0.isWhitespace })
        guard cursor.skip(word) else { throw .syntax(form) }
        _ = cursor.take(while: { $0.isWhitespace })
        guard cursor.peek == .ascii("<") || isOurs else { throw .syntax(form) }
    }

    private static func parameters(_ cursor: Cursor, _ form: StaticString) throws(CommandError) -> Parameters
    {
        guard cursor.isAtEnd || cursor.peek?.isWhitespace == true else { throw .syntax(form) }
        do { return try Parameters(cursor.rest) } catch { throw .syntax(form) }
    }

    /// RFC 4954 §4: `"AUTH" SP sasl-mech [SP initial-response]`.
    private static func authenticate(_ cursor: Cursor) throws(CommandError) -> Command {
        let words = cursor.rest.split { $0.isWhitespace }.map(Array.init)
        guard words.count == 1 || words.count == 2 else { throw .syntax("AUTH mechanism") }
        return .authenticate(mechanism: words[0], initialResponse: words.count == 2 ? words[1] : nil)
    }

    private static func verify(_ cursor: Cursor) throws(CommandError) -> Command {
        guard cursor.rest.contains(where: { !$0.isWhitespace }) else { throw .syntax("VRFY address") }
        return .verify
    }
}
