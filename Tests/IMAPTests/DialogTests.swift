import DialogFiles
import IMAP
import MIME
import MailStore
import Testing
import Unix

@testable import imapd

/// What is in Dialogs/, with the engine over mailboxes on a disk, and no process between.
@Suite struct DialogTests {
    static let all = DialogFile.all(beside: "\(#filePath)").map { MailboxDialog($0) }

    @Test("every dialog happens as it is written, whatever the pieces", arguments: all, [1, 1 << 20])
    func asWritten(dialog: MailboxDialog, cut: Int) throws {
        let failures = try dialog.failures(cut: cut) { (home, isInMbox) throws(SystemError) in
            try DiskClient(home, inMbox: isInMbox)
        }
        #expect(failures == [])
    }

    @Test("they are there")
    func count() { #expect(Self.all.count >= 120) }
}

/// A session over the mailboxes of a home.
private final class DiskClient: MailboxDialog.Client {
    private var session: MailboxSession!
    private var unread: [UInt8] = []
    private var said: [UInt8] = []
    private var next = MailboxSession.Next.proceed
    var isClosed: Bool { next == .close }

    init(_ home: String, inMbox: Bool) throws(SystemError) {
        let store: any MailboxStore =
            inMbox
            ? MboxStore(try MboxTree(inbox: "\(home)/inbox", folders: MboxTree.folders(home: home)))
            : MaildirStore(try FolderTree("\(home)/Maildir/"))
        let helper = CharsetHelper { Issue.record("\($0)") }
        session = MailboxSession(
            store, charsets: CharsetDecoder(other: helper.decode), messageSizeLimit: 10_000_000,
            report: { _ in }, write: { [unowned self] in said += $0 })
    }

    /// Lets the session work until it needs more.
    func send(_ bytes: [UInt8]) {
        unread += bytes
        while !isClosed {
            let step = session.step(unread[...])
            unread.removeFirst(step.consumed)
            next = step.next
            if step.consumed == 0 { return }
        }
    }

    func heard() -> [UInt8] {
        if next == .idle { next = session.poll() }
        defer { said = [] }
        return said
    }
}
