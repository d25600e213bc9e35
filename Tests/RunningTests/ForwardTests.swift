import Bytes
import Jobs
import Queue
import Testing
import Unix

@testable import Running

/// What a recipient's alias or .forward leads to: copies, each once.
@Suite struct ForwardTests {
    private static func forward(_ addresses: String..., from owner: String? = nil) -> Report.Forward {
        let copy = Report.Forward.Copy(
            reversePath: owner.map { Array($0.utf8) },
            recipients: addresses.map { Successor(Array($0.utf8)) })
        return Report.Forward(copies: [copy], header: Array("Delivered-To: joe@example.org\n".utf8))
    }

    private static func send(_ forward: Report.Forward) -> (Connection) -> Void {
        { connection in
            for (number, job) in connection.jobs.enumerated() {
                if job.destination == .local(Array("joe".utf8)) {
                    connection.report(number, .forwarded, "forwarded", forward: forward)
                } else {
                    connection.report(number, .delivered)
                }
            }
            connection.finish()
        }
    }

    @Test("a copy has its header on top, the sender's wishes, and goes to where the alias leads")
    func copy() throws {
        let queue = try TemporaryQueue()
        queue.world.behaviour = Self.send(Self.forward("far@one.example", "near@example.org"))
        let id = try queue.inject(parameters: "BODY=8BITMIME", to: "joe@example.org")
        try queue.run()
        let copy = try queue.only(.incoming)
        #expect(copy.id != id && copy.envelope.reversePath == Array("ann@example.org".utf8))
        #expect(
            copy.envelope.recipients.map { String(decoding: $0.address, as: UTF8.self) }
                == ["far@one.example", "near@example.org"])
        #expect(try queue.content(of: copy) == "Delivered-To: joe@example.org\nSubject: x\n\nx\n")
        #expect(
            queue.logged("\(id): to=<joe@example.org>", "status=sent (forwarded as \(copy.id))").count == 1)
        #expect(queue.logged("\(id): removed").count == 1)
    }

    @Test("a list's copy is from its owner")
    func list() throws {
        let queue = try TemporaryQueue()
        queue.world.behaviour = Self.send(Self.forward("far@one.example", from: "owner@example.org"))
        try queue.inject(to: "joe@example.org")
        try queue.run()
        #expect(try queue.only(.incoming).envelope.reversePath == Array("owner@example.org".utf8))
    }

    @Test(
        "who gets the message anyhow gets no copy: a remote recipient of the same message, in whatever spelling of its domain"
    )
    func covered() throws {
        let queue = try TemporaryQueue()
        queue.world.behaviour = Self.send(Self.forward("far@one.example"))
        let id = try queue.inject(to: "joe@example.org", "far@ONE.example")
        try queue.run()
        #expect(try queue.isEmpty)
        #expect(queue.logged("\(id): to=<joe@example.org>", "all that it leads to have it").count == 1)
        #expect(queue.world.jobs.count == 2)
    }

    @Test(
        "two recipients whose aliases lead to one address make one copy; an address that comes twice is in it once"
    )
    func twice() throws {
        let queue = try TemporaryQueue()
        queue.world.behaviour = Self.send(
            Self.forward("far@one.example", "Far2@one.example", "far@One.Example"))
        try queue.inject(to: "joe@example.org", "joe+x@example.org")
        try queue.run()
        let copy = try queue.only(.incoming)
        #expect(
            copy.envelope.recipients.map { String(decoding: $0.address, as: UTF8.self) }
                == ["far@one.example", "Far2@one.example"])
    }

    @Test("a recipient forwarded to himself has a copy: nobody else delivers it")
    func himself() throws {
        let queue = try TemporaryQueue()
        queue.world.behaviour = Self.send(Self.forward("joe@example.org"))
        let id = try queue.inject(to: "joe@example.org")
        try queue.run()
        #expect(try queue.only(.incoming).id != id)
    }
}
