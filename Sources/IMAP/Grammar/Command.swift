package import Bytes

/// A command of RFC 3501 §6 and its extensions, read whole.
package enum Command: Equatable, Sendable {
    case capability, noop, logout, startTLS, check, close, unselect, expunge, idle, namespace
    case login(user: [UInt8], password: [UInt8])
    case authenticate(mechanism: [UInt8], initial: [UInt8]?)
    case id
    case enable
    case select([UInt8], readOnly: Bool)
    case create([UInt8]), delete([UInt8]), rename([UInt8], [UInt8])
    case subscribe([UInt8], Bool)
    case list(ListQuery)
    case status([UInt8], [StatusItem])
    case search(SearchProgram, uid: Bool)
    case fetch(SequenceSet, [FetchItem], uid: Bool)
    case store(SequenceSet, StoreAction, uid: Bool)
    case copy(SequenceSet, [UInt8], uid: Bool, move: Bool)
    case uidExpunge(SequenceSet)

    package enum StatusItem: String, CaseIterable, Sendable {
        case messages, recent, uidnext, uidvalidity, unseen
    }
}

package struct StoreAction: Equatable, Sendable {
    package enum Mode: Equatable, Sendable { case replace, add, remove }
    package var mode: Mode
    package var isSilent: Bool
    package var flags: [[UInt8]]
}

/// A command with its tag, or what can be said of one that cannot be read.
package struct TaggedCommand: Equatable {
    package var tag: [UInt8]
    package var command: Command
}

package enum CommandError: Error, Equatable {
    /// Nobody to answer to: the line has no tag.
    case noTag
    case unknown(tag: [UInt8])
    case syntax(tag: [UInt8], SyntaxError)
}

extension TaggedCommand {
    /// `command = tag SP (…) CRLF`, without the CRLF.
    package init(_ bytes: [UInt8]) throws(CommandError) {
        var cursor = Cursor(bytes)
        tag = Array(cursor.take { $0.isAtomCharacter && $0 != .ascii("+") || $0 == .ascii("]") })
        guard !tag.isEmpty, tag.count <= 100, cursor.skip(.space) else { throw .noTag }
        let word = cursor.take(while: { $0.isAlpha })
        do throws(SyntaxError) {
            guard let command = try Self.read(word, &cursor) else { throw CommandFailure.unknown }
            try cursor.expectEnd("command")
            self.command = command
        } catch {
            if error == CommandFailure.unknown { throw .unknown(tag: tag) }
            throw .syntax(tag: tag, error)
        }
    }

    private enum CommandFailure { static let unknown = SyntaxError("command name", at: 0) }

    private typealias Reader = @Sendable (inout Cursor) throws(SyntaxError) -> Command

    /// Commands without arguments.
    private static let bare: [(StaticString, Command)] = [
        ("CAPABILITY", .capability), ("NOOP", .noop), ("LOGOUT", .logout), ("STARTTLS", .startTLS),
        ("CHECK", .check),
        ("CLOSE", .close), ("UNSELECT", .unselect), ("EXPUNGE", .expunge), ("IDLE", .idle),
        ("NAMESPACE", .namespace),
    ]

    /// Commands with arguments, each behind a space.
    private static let table: [(StaticString, Reader)] = [
        (
            "LOGIN",
            { cursor throws(SyntaxError) in
                let user = try cursor.astring()
                try cursor.space()
                return .login(user: user, password: try cursor.astring())
            }
        ),
        ("AUTHENTICATE", { cursor throws(SyntaxError) in try authenticate(&cursor) }),
        ("ID", { cursor throws(SyntaxError) in try id(&cursor) }),
        (
            "ENABLE",
            { cursor throws(SyntaxError) in
                repeat { _ = try cursor.atom() } while cursor.skip(.space)
                return .enable
            }
        ),
        ("SELECT", { cursor throws(SyntaxError) in .select(try cursor.mailbox(), readOnly: false) }),
        ("EXAMINE", { cursor throws(SyntaxError) in .select(try cursor.mailbox(), readOnly: true) }),
        ("CREATE", { cursor throws(SyntaxError) in .create(try cursor.mailbox()) }),
        ("DELETE", { cursor throws(SyntaxError) in .delete(try cursor.mailbox()) }),
        (
            "RENAME",
            { cursor throws(SyntaxError) in
                let from = try cursor.mailbox()
                try cursor.space()
                return .rename(from, try cursor.mailbox())
            }
        ),
        ("SUBSCRIBE", { cursor throws(SyntaxError) in .subscribe(try cursor.mailbox(), true) }),
        ("UNSUBSCRIBE", { cursor throws(SyntaxError) in .subscribe(try cursor.mailbox(), false) }),
        ("LIST", { cursor throws(SyntaxError) in .list(try cursor.listQuery()) }),
        ("LSUB", { cursor throws(SyntaxError) in .list(try cursor.lsubQuery()) }),
        ("STATUS", { cursor throws(SyntaxError) in try status(&cursor) }),
        ("SEARCH", { cursor throws(SyntaxError) in .search(try cursor.searchProgram(), uid: false) }),
        ("FETCH", { cursor throws(SyntaxError) in try fetch(&cursor, uid: false) }),
        ("STORE", { cursor throws(SyntaxError) in try store(&cursor, uid: false) }),
        ("COPY", { cursor throws(SyntaxError) in try copy(&cursor, uid: false, move: false) }),
        ("MOVE", { cursor throws(SyntaxError) in try copy(&cursor, uid: false, move: true) }),
        ("UID", { cursor throws(SyntaxError) in try uid(&cursor) }),
    ]

    private static func read(_ word: ArraySlice<UInt8>, _ cursor: inout Cursor) throws(SyntaxError)
        -> Command?
    {
        if let command = bare.first(where: { word.equalsFolded($0.0) })?.1 { return command }
        guard let reader = table.first(where: { word.equalsFolded($0.0) })?.1 else { return nil }
        try cursor.space()
        return try reader(&cursor)
    }

    /// `"AUTHENTICATE" SP auth-type [SP initial-resp]` (RFC 4959 §7)
    private static func authenticate(_ cursor: inout Cursor) throws(SyntaxError) -> Command {
        let mechanism = Array(try cursor.atom())
        let initial = cursor.skip(.space) ? Array(cursor.take { $0.isVisible }) : nil
        return .authenticate(mechanism: mechanism, initial: initial)
    }

    /// `"ID" SP ("NIL" / "(" string SP nstring *(…) ")")` (RFC 2971 §4): read, and not kept.
    private static func id(_ cursor: inout Cursor) throws(SyntaxError) -> Command {
        if cursor.skip("NIL") { return .id }
        try cursor.expect(.ascii("("), "id-params")
        while !cursor.skip(.ascii(")")) {
            _ = try cursor.string()
            try cursor.space()
            _ = try cursor.nstring()
            _ = cursor.skip(.space)
        }
        return .id
    }

    private static func status(_ cursor: inout Cursor) throws(SyntaxError) -> Command {
        let mailbox = try cursor.mailbox()
        try cursor.expect(" (", "status-att")
        var items: [Command.StatusItem] = []
        repeat {
            let word = try cursor.atom()
            guard
                let item = Command.StatusItem.allCases.first(where: { word.equalsFolded($0.rawValue.utf8) }),
                items.count < 20
            else { throw cursor.failure("status-att") }
            items.append(item)
        } while cursor.skip(.space)
        try cursor.expect(.ascii(")"), "status-att")
        return .status(mailbox, items)
    }

    private static func fetch(_ cursor: inout Cursor, uid: Bool) throws(SyntaxError) -> Command {
        let set = try cursor.sequenceSet()
        try cursor.space()
        return .fetch(set, try cursor.fetchItems(), uid: uid)
    }

    /// `store-att-flags = (["+" / "-"] "FLAGS" [".SILENT"]) SP (flag-list / (flag *(SP flag)))`
    private static func store(_ cursor: inout Cursor, uid: Bool) throws(SyntaxError) -> Command {
        let set = try cursor.sequenceSet()
        try cursor.space()
        let mode: StoreAction.Mode =
            cursor.skip(.ascii("+")) ? .add : cursor.skip(.ascii("-")) ? .remove : .replace
        try cursor.expect("FLAGS", "store-att-flags")
        let isSilent = cursor.skip(".SILENT")
        try cursor.space()
        var flags: [[UInt8]] = []
        if cursor.peek == .ascii("(") {
            flags = try cursor.flagList()
        } else {
            repeat {
                flags.append(try cursor.flag())
                guard flags.count <= 100 else { throw cursor.failure("flag-list") }
            } while cursor.skip(.space)
        }
        return .store(set, StoreAction(mode: mode, isSilent: isSilent, flags: flags), uid: uid)
    }

    private static func copy(_ cursor: inout Cursor, uid: Bool, move: Bool) throws(SyntaxError) -> Command {
        let set = try cursor.sequenceSet()
        try cursor.space()
        return .copy(set, try cursor.mailbox(), uid: uid, move: move)
    }

    /// `uid = "UID" SP (copy / fetch / search / store)`, and EXPUNGE (RFC 4315 §2.1), MOVE (RFC 6851 §3).
    private static func uid(_ cursor: inout Cursor) throws(SyntaxError) -> Command {
        let word = cursor.take(while: { $0.isAlpha })
        try cursor.space()
        if word.equalsFolded("FETCH") { return try fetch(&cursor, uid: true) }
        if word.equalsFolded("STORE") { return try store(&cursor, uid: true) }
        if word.equalsFolded("SEARCH") { return .search(try cursor.searchProgram(), uid: true) }
        if word.equalsFolded("COPY") { return try copy(&cursor, uid: true, move: false) }
        if word.equalsFolded("MOVE") { return try copy(&cursor, uid: true, move: true) }
        if word.equalsFolded("EXPUNGE") { return .uidExpunge(try cursor.sequenceSet()) }
        throw cursor.failure("uid")
    }
}
