import Bytes
package import Unix

/// Delivery into an mbox: locked by fcntl and by a dot lock, both or not at all (T58); appended; made
/// durable; or cut back to where it ended before (T59). The file is never followed as a link, has one name,
/// and belongs to who delivers (T55).
package final class MboxDelivery {
    private let directory: Directory
    private let name: String
    private let file: Descriptor
    private let lock: DotLock
    private let oldLength: Int
    /// How the file ends now: whether nothing, or an empty line, stands before what is appended.
    private var needsSeparator: Int
    private var output: [UInt8] = []
    private var isOver = false

    /// Surrounds each change of the directory: for one that only a group may write to.
    package typealias Privileged = (() throws(SystemError) -> Void) throws(SystemError) -> Void

    package enum Failure: Error, Equatable {
        case system(SystemError)
        /// Somebody holds a lock for longer than we wait.
        case locked
        /// It is no plain file of this user's with one name: what it is.
        case unsuitable(String)
    }

    /// Opens and locks the mbox at `path`; makes it if `creating`. `privileged` surrounds making and removing
    /// the dot lock, for directories that only a group may write to.
    package init(
        _ path: String, creating: Bool, owner: UInt32, patience: Duration = .seconds(60),
        privileged: @escaping Privileged = { body throws(SystemError) in try body() }
    ) throws(Failure) {
        let deadline = Deadline.after(patience)
        let (parent, name) = Path.split(path)
        self.name = name
        do throws(SystemError) {
            directory = try Directory(parent)
            file = try directory.open(name, creating ? .append(createMode: 0o600) : .appendExisting)
        } catch {
            if error.code == .tooManyLinks { throw .unsuitable("a symbolic link") }
            if error.code == .isDirectory { throw .unsuitable("a directory") }
            if error.code == .noSuchDevice || error.code == .notSupported { throw .unsuitable("not a file") }
            throw .system(error)
        }
        try Self.check(file, owner: owner)
        try Self.lock(file, by: deadline)
        lock = try DotLock(name, in: directory, by: deadline, privileged)
        do throws(SystemError) {
            oldLength = try Self.length(of: file, named: name, in: directory)
            needsSeparator = try MboxFormat.missingNewlines(file, oldLength)
        } catch {
            lock.release(in: directory)
            throw .system(error)
        }
    }

    /// How long the mbox is, now that it is locked. A reader that rewrites mboxes may have put another file
    /// in its place while we waited.
    private static func length(
        of file: borrowing Descriptor, named name: String, in directory: borrowing Directory
    ) throws(SystemError) -> Int {
        let status = try file.status()
        guard let now = try directory.status(of: name), now.isSameFile(as: status) else {
            throw SystemError("open", .again, "mbox was replaced while it was locked")
        }
        return status.size
    }

    private static func check(_ file: borrowing Descriptor, owner: UInt32) throws(Failure) {
        let status: FileStatus
        do throws(SystemError) { status = try file.status() } catch { throw .system(error) }
        guard status.kind == .regular else { throw .unsuitable("not a file") }
        guard status.links == 1 else { throw .unsuitable("a file with \(status.links) names") }
        guard status.user == owner else { throw .unsuitable("somebody else's file") }
    }

    private static func lock(_ file: borrowing Descriptor, by deadline: Deadline) throws(Failure) {
        do throws(SystemError) {
            while try !file.tryLockWholeFile() {
                guard !deadline.hasPassed else { break }
                pause(min(.milliseconds(100), deadline.remaining))
            }
            if try file.tryLockWholeFile() { return }
        } catch { throw .system(error) }
        throw .locked
    }

    /// Appends a message: the line that begins it, its lines with `From ` quoted, an empty line. Fields that only readers
    /// of the mbox may set are left out.
    package func append(_ message: Extents, from sender: [UInt8], at time: Time) throws(SystemError) {
        output += [UInt8](repeating: .lf, count: needsSeparator)
        output += MboxFormat.separator(from: sender, at: time)
        var filter = MboxHeaderFilter()
        var quoting = MboxQuoting()
        try message.forEachPart { part throws(SystemError) in
            quoting.append(filter.take(part), to: &output)
            if output.count >= Self.gatherLimit { try flush() }
        }
        quoting.append(filter.end(), to: &output)
        quoting.end(to: &output)
        output.append(.lf)
        needsSeparator = 0
    }

    private static let gatherLimit = 1 << 16

    private func flush() throws(SystemError) {
        try file.write(output)
        output.removeAll(keepingCapacity: true)
    }

    /// Makes what was appended durable and unlocks.
    package func commit() throws(SystemError) {
        try flush()
        if oldLength == 0 { try file.synchronizeWithName() } else { try file.synchronize() }
        isOver = true
    }

    deinit {
        if !isOver {
            try? file.truncate(to: oldLength)
            try? file.synchronize()
        }
        lock.release(in: directory)
    }
}
