import Bytes
import Unix

/// The file that names the mailboxes somebody wants to see, a line a name, as Dovecot has it.
///
/// Its second version begins with `V<tab>2` and an empty line; there a tab stands between the levels of a name, and what a
/// name has of the file's own bytes is escaped. A file stays in the version that it has.
struct Subscriptions {
    let directory: String
    let file: String
    let separator: UInt8

    private static let version2 = [UInt8]("V\t2\n\n")

    /// What a client can understand, each once.
    func shown() throws(SystemError) -> [[UInt8]] {
        var seen: Set<[UInt8]> = []
        return try names().filter { ModifiedUTF7.isValid($0) && seen.insert($0).inserted }
    }

    /// INBOX is one name, whatever its letters.
    func names() throws(SystemError) -> [[UInt8]] {
        try stored().map { FolderTree.isInbox($0) ? [UInt8]("INBOX") : $0 }
    }

    private func stored() throws(SystemError) -> [[UInt8]] {
        let bytes = try Path.contents(directory + file, limit: 1 << 20) ?? []
        guard bytes.starts(with: [UInt8]("V\t2\n")) else {
            // An editor may have written CRLF.
            return bytes.split(separator: .lf).map { Array($0.last == .cr ? $0.dropLast() : $0) }
                .filter { !$0.isEmpty }
        }
        return bytes.dropFirst(4).split(separator: .lf).map { line in
            Array(line.split(separator: .tab).map(Self.unescaped).joined(separator: [separator]))
        }
    }

    /// Durably, and under the lock that Dovecot takes, too: two sessions at once lose no name.
    func set(_ name: [UInt8], _ isSubscribed: Bool) throws(SystemError) {
        try change { names in names.filter { $0 != name } + (isSubscribed ? [name] : []) }
    }

    private func change(_ change: ([[UInt8]]) -> [[UInt8]]) throws(SystemError) {
        let root = try Directory(directory)
        let lock: DotLock?
        do throws(MboxDelivery.Failure) {
            lock = try DotLock(file, in: root, by: .after(.seconds(30)), staleAge: Self.stale)
        } catch {
            guard case .system(let error) = error else { throw SystemError("lock", .again, directory + file) }
            guard error.isForWantOfRoom else { throw error }
            lock = nil
        }
        defer { lock?.release(in: root) }
        let isVersion2 =
            try Path.contents(directory + file, limit: 1 << 20)?.starts(with: [UInt8]("V\t2\n")) == true
        let lines = change(try names()).map { name in
            isVersion2
                ? Array(name.split(separator: separator).map(Self.escaped).joined(separator: [.tab])) : name
        }
        let text = Array(lines.map { $0 + [.lf] }.joined())
        try root.replaceDurably(file, with: isVersion2 ? Self.version2 + text : text)
        try root.synchronize()
    }

    private static let stale = Duration.seconds(60)

    // MARK: For who looks what is wrong

    static func isName(_ name: [UInt8]) -> Bool { !name.contains { $0.isControl } }

    /// The names that stand there a second time.
    static func repeated(_ names: [[UInt8]]) -> [[UInt8]] {
        var seen: Set<[UInt8]> = []
        return names.filter { !seen.insert($0).inserted }
    }

    /// Leaves out what is no name, or stands there already.
    func mend() throws(SystemError) {
        try change { names in
            var seen: Set<[UInt8]> = []
            return names.filter { Self.isName($0) && seen.insert($0).inserted }
        }
    }

    func hasStaleLock(in directory: borrowing Directory) throws(SystemError) -> Bool {
        try DotLock.isStale("\(file).lock", in: directory, Self.stale, false)
    }

    private static let escapes: [(plain: UInt8, letter: UInt8)] = [
        (0x01, .ascii("1")), (.tab, .ascii("t")), (.cr, .ascii("r")), (.lf, .ascii("n")), (.nul, .ascii("0")),
    ]

    private static func escaped(_ part: ArraySlice<UInt8>) -> [UInt8] {
        part.flatMap { byte in escapes.first { $0.plain == byte }.map { [0x01, $0.letter] } ?? [byte] }
    }

    private static func unescaped(_ part: ArraySlice<UInt8>) -> [UInt8] {
        var result: [UInt8] = []
        var isEscaped = false
        for byte in part {
            if isEscaped, let escape = escapes.first(where: { $0.letter == byte }) {
                result.append(escape.plain)
                isEscaped = false
            } else if byte == 0x01, !isEscaped {
                isEscaped = true
            } else {
                result.append(byte)
                isEscaped = false
            }
        }
        return result
    }
}
