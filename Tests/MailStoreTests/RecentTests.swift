import Dispatch
import Mail
import Testing
import Unix

@testable import MailStore

/// RFC 3501 §2.3.2: a message is recent to the first session that is told of it, and to no other.
@Suite struct RecentTests {
    /// A session's look at its folder on a thread of its own: it may have to wait for a lock.
    private final class Look: @unchecked Sendable {
        private let folder: Folder
        private let done = DispatchSemaphore(value: 0)
        private var isRunning = false

        init(_ folder: Folder) { self.folder = folder }

        func start() {
            DispatchQueue.global().async { [self] in
                _ = try? folder.refresh(.now)
                done.signal()
            }
            isRunning = done.wait(timeout: .now() + .milliseconds(15)) == .timedOut
        }

        func end() { if isRunning { done.wait() } }
    }

    /// Runs `step` in Maildirs that `prepare` makes, each time with a look of another session before another of its system calls.
    /// The UIDs that are recent to that session, to those that `step` returns and to one that comes later must be `expected`.
    private func expectOnce(
        _ expected: [UInt32], _ prepare: (TemporaryMaildir) throws -> Void,
        _ step: (TemporaryMaildir) throws -> [Folder]
    ) throws {
        var (call, count) = (0, 0)
        repeat {
            call += 1
            let maildir = try TemporaryMaildir()
            let other = try maildir.folder()
            try prepare(maildir)
            let look = Look(other)
            SystemCall.arm(.run { look.start() }, at: call)
            let sessions = try step(maildir)
            count = SystemCall.callCount
            SystemCall.arm(.none, at: 0)
            look.end()
            let recent = try ([other] + sessions + [maildir.folder()]).flatMap { folder in
                folder.list.messages.filter(\.isRecent).map(\.uid)
            }
            #expect(recent.sorted() == expected, "a look before call \(call)")
        } while call < count
        #expect(call > 5)
    }

    private func append(_ maildir: TemporaryMaildir) throws {
        let delivery = try MaildirDelivery(maildir.path, host: "h")
        _ = try delivery.stage(message("a"), flags: .seen)
        #expect(try maildir.folder(readOnly: true).add(delivery) == [1])
    }

    @Test("what APPEND brings is recent once, whenever another session looks")
    func appended() throws {
        try expectOnce([1], { _ in }) { maildir in
            try append(maildir)
            return []
        }
    }

    @Test("what is delivered is recent once, whenever another session looks")
    func delivered() throws {
        try expectOnce([1], { try $0.write("new/1.a.h", "a") }) { [try $0.folder()] }
    }

    @Test("what is delivered behind what APPEND brought is recent once, though it has a UID already")
    func deliveredBehind() throws {
        func prepare(_ maildir: TemporaryMaildir) throws {
            try append(maildir)
            try maildir.write("new/1.a.h", "a")
            #expect(try maildir.folder(readOnly: true).list.count == 2)
        }
        try expectOnce([1, 2], prepare) { [try $0.folder()] }
    }
}
