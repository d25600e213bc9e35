import Bytes
package import MIME
import Mail

/// The authenticated and selected states of RFC 3501 §6.3 and §6.4, over a `MailboxStore`. It touches no descriptor:
/// bytes of the client go in by `step`, answers leave through `write` as they are made.
package final class MailboxSession {
    package enum Next: Equatable { case proceed, idle, close }

    /// Longest command with its literals; APPEND's message is not among them.
    package static let longestCommand = 1 << 20
    package static let mostErrors = 50

    let store: any MailboxStore
    let charsets: CharsetDecoder
    let write: ([UInt8]) -> Void
    /// For the log: what the store said, and the client does not hear.
    let report: (String) -> Void
    private let messageSizeLimit: Int
    private var reader = CommandReader(limit: longestCommand, allowsAppend: true)
    private var append: Append?
    private var idleTag: [UInt8]?
    private var errors = 0

    var selected: (any Mailbox)?
    var selectedName: [UInt8] = []
    var isReadOnly = false
    /// The keywords that the client was told of last.
    var knownKeywords = KeywordNames() { didSet { flagText = nil } }
    /// What was said last of a message's flags: the next one has the same, mostly.
    private var flagText: (flags: MessageFlags, isRecent: Bool, text: [UInt8])?
    /// The UIDVALIDITY that it was told.
    var knownValidity: UInt32 = 0
    /// How many messages it was told are recent.
    var knownRecent = 0
    /// Nothing more can be said: a literal broke off, or the mailbox is gone.
    var isOver = false

    package init(
        _ store: any MailboxStore, charsets: CharsetDecoder, messageSizeLimit: Int,
        report: @escaping (String) -> Void,
        write: @escaping ([UInt8]) -> Void
    ) {
        self.store = store
        self.charsets = charsets
        self.messageSizeLimit = messageSizeLimit
        self.report = report
        self.write = write
    }

    package static let capabilities =
        "IMAP4rev1 LITERAL+ ID IDLE NAMESPACE UIDPLUS UNSELECT CHILDREN LIST-EXTENDED SPECIAL-USE MOVE ESEARCH ENABLE"

    func say(_ text: String) { write(Array(text.utf8)) }
    func ok(_ tag: [UInt8], _ text: String) { write(tag + Array(" OK \(text)\r\n".utf8)) }
    func no(_ tag: [UInt8], _ text: String) { write(tag + Array(" NO \(text)\r\n".utf8)) }

    /// A failure as the client hears it: RFC 5530.
    func no(_ tag: [UInt8], _ failure: StoreFailure) {
        switch failure {
        case .missing: no(tag, "[NONEXISTENT] No such mailbox")
        case .exists: no(tag, "[ALREADYEXISTS] Mailbox exists")
        case .badName: no(tag, "[CANNOT] Not a name that a mailbox can have")
        case .notPermitted: no(tag, "[NOPERM] Not permitted")
        case .hasChildren: no(tag, "[HASCHILDREN] There is something below it")
        case .noMailbox: no(tag, "[CANNOT] Not a mailbox")
        case .tooManyKeywords: no(tag, "[LIMIT] No room for another keyword")
        case .expunged: no(tag, "[EXPUNGEISSUED] Some messages are gone")
        case .overQuota: no(tag, "[OVERQUOTA] No room")
        case .inUse: no(tag, "[INUSE] Another program has the mailbox, try again")
        case .system(let text):
            report(text)
            no(tag, "[SERVERBUG] The server could not do it; its log says why")
        }
    }

    /// What another session removed is no failure of what was done for the others: RFC 5530 §3.
    func answer(_ tag: [UInt8], _ name: String, _ failure: StoreFailure?) {
        switch failure {
        case nil: ok(tag, "\(name) completed")
        case .expunged: ok(tag, "[EXPUNGEISSUED] Some messages are gone")
        case let failure?: no(tag, failure)
        }
    }

    // MARK: Input

    /// Reads from the front of `input`; with nothing consumed more is needed.
    package func step(_ input: ArraySlice<UInt8>) -> (consumed: Int, next: Next) {
        if let tag = idleTag { return endIdle(tag, input) }
        if append != nil { return continueAppend(input) }
        guard !input.isEmpty else { return (0, isOver ? .close : .proceed) }
        let (consumed, event) = reader.read(input)
        switch event {
        case .incomplete: break
        case .continuation: say("+ OK\r\n")
        case .tooLong:
            say("* BYE Command too long\r\n")
            return (consumed, .close)
        case .badCommand(let tag): return (consumed, bad(tag, "Syntax error, or literal too large"))
        case .append(let head, let size, let waits): return (consumed, beginAppend(head, size, waits))
        case .command(let bytes): return (consumed, execute(bytes))
        }
        return (consumed, .proceed)
    }

    private func bad(_ tag: [UInt8], _ text: String) -> Next {
        write(tag.prefix(100) + Array(" BAD \(text)\r\n".utf8))
        errors += 1
        guard errors >= Self.mostErrors else { return .proceed }
        say("* BYE Too many errors\r\n")
        return .close
    }

    private func execute(_ bytes: [UInt8]) -> Next {
        let tagged: TaggedCommand
        do throws(CommandError) { tagged = try TaggedCommand(bytes) } catch {
            switch error {
            case .noTag: return bad([.ascii("*")], "Command without a tag")
            case .unknown(let tag): return bad(tag, "Unknown command")
            case .syntax(let tag, let syntax): return bad(tag, "Syntax error in \(syntax.production)")
            }
        }
        let next = perform(tagged.command, tagged.tag)
        return isOver ? .close : next
    }

    private func perform(_ command: Command, _ tag: [UInt8]) -> Next {
        switch command {
        case .capability:
            say("* CAPABILITY \(Self.capabilities)\r\n")
            ok(tag, "Capability completed")
        case .noop, .check:
            update(thoroughly: true)
            ok(tag, "Completed")
        case .id:
            say("* ID (\"name\" \"relais\")\r\n")
            ok(tag, "Id completed")
        case .enable:
            say("* ENABLED\r\n")
            ok(tag, "Enable completed")
        case .namespace:
            say("* NAMESPACE ((\"\" \(separator))) NIL NIL\r\n")
            ok(tag, "Namespace completed")
        case .logout:
            say("* BYE Logging out\r\n")
            ok(tag, "Logout completed")
            return .close
        case .login, .authenticate, .startTLS: return bad(tag, "Logged in already")
        case .idle:
            say("+ idling\r\n")
            idleTag = tag
            update(thoroughly: true)
            return .idle
        default: return performOnMailboxes(command, tag)
        }
        return .proceed
    }

    private func performOnMailboxes(_ command: Command, _ tag: [UInt8]) -> Next {
        switch command {
        case .select(let name, let readOnly): select(name, readOnly: readOnly, tag)
        case .create(let name):
            attempt(tag, "Create") { () throws(StoreFailure) in try store.create(trimmed(name)) }
        case .delete(let name): attempt(tag, "Delete") { () throws(StoreFailure) in try store.delete(name) }
        case .rename(let from, let to):
            attempt(tag, "Rename") { () throws(StoreFailure) in try store.rename(from, to: to) }
        case .subscribe(let name, let isSubscribed):
            attempt(tag, "Subscribe") { () throws(StoreFailure) in try store.setSubscribed(name, isSubscribed)
            }
        case .list(let query): list(query, tag)
        case .status(let name, let items): status(name, items, tag)
        default:
            guard let mailbox = selected else { return bad(tag, "No mailbox is selected") }
            performOnMessages(command, mailbox, tag)
        }
        return .proceed
    }

    private func performOnMessages(_ command: Command, _ mailbox: any Mailbox, _ tag: [UInt8]) {
        switch command {
        case .close:
            close(mailbox, tag)
        case .unselect:
            unselect()
            ok(tag, "Unselect completed")
        case .expunge: expunge(mailbox, uids: nil, tag)
        case .uidExpunge(let set): expunge(mailbox, uids: set, tag)
        case .search(let program, let uid): search(mailbox, program, uid: uid, tag)
        case .fetch(let set, let items, let uid): fetch(mailbox, set, items, uid: uid, tag)
        case .store(let set, let action, let uid): storeFlags(mailbox, set, action, uid: uid, tag)
        case .copy(let set, let name, let uid, let move): copy(mailbox, set, name, uid: uid, move: move, tag)
        default: ok(tag, "Completed")
        }
    }

    /// A hierarchy separator at the end says that children will follow: RFC 3501 §6.3.3.
    private func trimmed(_ name: [UInt8]) -> [UInt8] {
        store.mailboxesHaveChildren && name.last == store.separator ? Array(name.dropLast()) : name
    }

    /// As a quoted string.
    var separator: String { "\"\(Character(Unicode.Scalar(store.separator)))\"" }

    private func attempt(_ tag: [UInt8], _ name: String, _ body: () throws(StoreFailure) -> Void) {
        do throws(StoreFailure) {
            try body()
            ok(tag, "\(name) completed")
        } catch { no(tag, error) }
    }

    func unselect() {
        selected = nil
        selectedName = []
        knownKeywords = KeywordNames()
    }

    // MARK: IDLE

    /// `DONE`, and what stands behind an APPEND's literal, are no longer than this, whatever pieces they come in.
    private static let shortLine = 100

    private static func endOfShortLine(_ input: ArraySlice<UInt8>) -> Int? {
        input.prefix(shortLine).firstIndex(of: .lf)
    }

    /// RFC 2177 §3: anything the client sends ends it; DONE properly.
    private func endIdle(_ tag: [UInt8], _ input: ArraySlice<UInt8>) -> (consumed: Int, next: Next) {
        guard !isOver else { return (input.count, .close) }
        guard let newline = Self.endOfShortLine(input) else {
            return input.count >= Self.shortLine ? (input.count, .close) : (0, .idle)
        }
        idleTag = nil
        let line = input[..<newline].filter { $0 != .cr }
        let consumed = newline + 1 - input.startIndex
        guard line.equalsFolded("DONE") else { return (consumed, bad(tag, "Expected DONE")) }
        ok(tag, "Idle completed")
        return (consumed, .proceed)
    }

    /// Tells an idling client what changed.
    package func poll() -> Next {
        if idleTag != nil { update(thoroughly: true) }
        return isOver ? .close : .idle
    }

    // MARK: What others changed

    /// Looks at the selected mailbox and tells the client: behind any command that may, for there are clients that never say
    /// NOOP. Message numbers may only change (`expunges`) where no command with message numbers is running: RFC 3501 §7.4.1.
    func update(expunges: Bool = true, thoroughly: Bool = false) {
        guard let mailbox = selected, !isOver else { return }
        do throws(StoreFailure) {
            let changes = try mailbox.refresh(thoroughly: thoroughly, expunges: expunges)
            for index in changes.expunged { say("* \(index + 1) EXPUNGE\r\n") }
            if mailbox.uidValidity != knownValidity, expunges {
                knownValidity = mailbox.uidValidity
                say("* OK [UIDVALIDITY \(knownValidity)] UIDs valid\r\n")
            }
            if changes.appended > 0 { say("* \(mailbox.list.count) EXISTS\r\n") }
            sayRecent(mailbox, anyhow: changes.appended > 0)
            for index in changes.flagsChanged { sayFlags(mailbox, index, withUID: false) }
        } catch {
            if case .system(let text) = error { report(text) }
            guard error == .missing else { return }
            // RFC 2180 §3: whatever the client asks of it now can only fail.
            say("* BYE The selected mailbox was removed\r\n")
            isOver = true
        }
    }

    /// How many messages are recent, where that is news: also when some of them are gone (RFC 3501 §7.3.2).
    private func sayRecent(_ mailbox: any Mailbox, anyhow: Bool) {
        guard anyhow || knownRecent > 0 else { return }
        let count = mailbox.list.recentCount
        if anyhow || count != knownRecent { say("* \(count) RECENT\r\n") }
        knownRecent = count
    }

    func sayFlags(_ mailbox: any Mailbox, _ index: Int, withUID: Bool) {
        sayKeywords(mailbox)
        var line = Array("* \(index + 1) FETCH (".utf8)
        if withUID { line += "UID \(mailbox.list[index].uid) " }
        line += "FLAGS "
        append(flagsOf: mailbox.list[index], mailbox, to: &line)
        line += ")\r\n"
        write(line)
    }

    func append(flagsOf message: ListedMessage, _ mailbox: any Mailbox, to line: inout [UInt8]) {
        if let flagText, flagText.flags == message.flags, flagText.isRecent == message.isRecent {
            return line += flagText.text
        }
        let names = FlagNames.names(message.flags, mailbox.keywords)
        var text: [UInt8] = []
        text.append(list: names + (message.isRecent ? [[UInt8]("\\Recent")] : [])) { $0 += $1 }
        flagText = (message.flags, message.isRecent, text)
        line += text
    }

    /// Names the keywords if there are new ones, before a message has one that its client has not heard of: RFC 3501 §7.2.6.
    func sayKeywords(_ mailbox: any Mailbox) {
        let keywords = mailbox.keywords
        guard keywords != knownKeywords else { return }
        knownKeywords = keywords
        write(Self.flagLines(keywords, readOnly: isReadOnly))
    }

    static func flagLines(_ keywords: KeywordNames, readOnly: Bool) -> [UInt8] {
        let flags = FlagNames.all(keywords)
        var output = Array("* FLAGS ".utf8)
        output.append(list: flags) { $0 += $1 }
        output += "\r\n* OK [PERMANENTFLAGS "
        output.append(list: readOnly ? [] : flags + (keywords.isFull ? [] : [[UInt8]("\\*")])) { $0 += $1 }
        output += "] Flags permitted\r\n"
        return output
    }

    // MARK: APPEND

    private struct Append {
        let head: AppendHead
        var left: Int
        /// Nil when it was refused and the literal is only to be read away.
        var target: (any Appending)?
        var failure: StoreFailure?
    }

    private func beginAppend(_ head: AppendHead, _ size: Int, _ waits: Bool) -> Next {
        guard size <= messageSizeLimit else {
            no(head.tag, "[TOOBIG] Message larger than this server takes")
            // Unasked, it cannot be told from commands.
            return waits ? .proceed : .close
        }
        do throws(StoreFailure) {
            let (flags, keywords) = FlagNames.read(head.flags)
            let target = try store.append(
                to: head.mailbox, flags: flags, keywords: keywords, date: head.date)
            append = Append(head: head, left: size, target: target)
            if waits { say("+ OK\r\n") }
        } catch {
            if waits {
                refuseTarget(head.tag, error)
                return .proceed
            }
            append = Append(head: head, left: size, target: nil, failure: error)
        }
        return .proceed
    }

    private func continueAppend(_ input: ArraySlice<UInt8>) -> (consumed: Int, next: Next) {
        guard var current = append else { return (0, .proceed) }
        if current.left > 0 {
            let part = input.prefix(current.left)
            current.left -= part.count
            do throws(StoreFailure) { try current.target?.write(Array(part)) } catch {
                current.target = nil
                current.failure = error
            }
            append = current
            return (part.count, .proceed)
        }
        guard let newline = Self.endOfShortLine(input) else {
            return input.count >= Self.shortLine ? (input.count, .close) : (0, .proceed)
        }
        append = nil
        let consumed = newline + 1 - input.startIndex
        guard input[..<newline].allSatisfy({ $0 == .cr }) else {
            return (consumed, bad(current.head.tag, "Expected the end of APPEND"))
        }
        finishAppend(current)
        return (consumed, .proceed)
    }

    private func finishAppend(_ append: Append) {
        let tag = append.head.tag
        guard let target = append.target else { return refuseTarget(tag, append.failure ?? .missing) }
        do throws(StoreFailure) {
            let result = try target.commit()
            update(thoroughly: true)
            let code =
                result.uids.isEmpty
                ? "" : "[APPENDUID \(result.uidValidity) \(SequenceSet.text(result.uids))] "
            ok(tag, "\(code)Append completed")
        } catch { no(tag, error) }
    }

    /// `[TRYCREATE]` where the mailbox that a message should go to is missing: RFC 3501 §6.3.11.
    func refuseTarget(_ tag: [UInt8], _ failure: StoreFailure) {
        if failure == .missing { no(tag, "[TRYCREATE] No such mailbox") } else { no(tag, failure) }
    }
}
