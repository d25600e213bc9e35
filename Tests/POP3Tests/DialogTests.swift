import DialogFiles
import POP3
import Testing
import Unix

@testable import pop3d

/// What is in Dialogs/, with the engine over a maildrop on a disk, and no process between.
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
    func count() { #expect(Self.all.count >= 14) }
}

/// A session over the maildrop of a home.
private final class DiskClient: MailboxDialog.Client {
    /// What the maildrop sends goes to a descriptor.
    private let output: Descriptor
    private let stream: ByteStream
    private var taken = 0
    private var unread: [UInt8] = []
    /// Nil when it is over: its lock is free then.
    private var session: MaildropSession?
    var isClosed: Bool { session == nil }

    init(_ home: String, inMbox: Bool) throws(SystemError) {
        output = try Directory(home).openScratch()
        stream = ByteStream(input: output.raw, output: output.raw, patience: .seconds(10))
        let stream = stream
        let path = home + (inMbox ? "/inbox" : "/Maildir/")
        do throws(MaildropFailure) {
            let maildrop = try UserMaildrop.open(path, home: home, output: stream)
            let opened = MaildropSession(maildrop) { try? stream.write($0) }
            try? stream.write(opened.greeting)
            session = opened
        } catch {
            let reason =
                error == .locked
                ? "[IN-USE] Another session has the maildrop" : "[SYS/TEMP] The maildrop cannot be opened"
            try? stream.write(Array("-ERR \(reason)\r\n".utf8))
        }
    }

    /// Lets the session work until it needs more.
    func send(_ bytes: [UInt8]) {
        unread += bytes
        while let step = session?.step(unread[...]) {
            unread.removeFirst(step.consumed)
            if step.isOver { session = nil }
            if step.consumed == 0 { return }
        }
    }

    func heard() -> [UInt8] {
        try? stream.flush()
        var bytes: [UInt8] = []
        while let part = try? output.read(upTo: 1 << 16, at: taken), !part.isEmpty {
            bytes += part
            taken += part.count
        }
        return bytes
    }
}
