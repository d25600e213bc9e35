import Bytes
import Jobs
import Queue
import Testing
import Unix

@testable import Running

/// What goes by way of a host of relay-host is one destination, whoever it is for.
@Suite struct RelayTests {
    private static let relay = Array("smtps://relay.example".utf8)
    private static let keys = [
        "relay-host":
            "smtps://relay.example direct.example=direct from:joe@here.example=smtp://joe@other.example:587"
    ]

    private static func destinations(_ queue: TemporaryQueue) -> Set<String> {
        Set(
            queue.world.jobs.map { job in
                switch job.destination {
                case .remote(let name): String(decoding: name, as: UTF8.self)
                case .local(let name): "local " + String(decoding: name, as: UTF8.self)
                }
            })
    }

    @Test(
        "many domains share its sessions; what another line says, and what is for this host, goes elsewhere")
    func destinations() throws {
        let queue = try TemporaryQueue(Self.keys)
        for number in 0..<5 { try queue.inject(to: "u@d\(number).example") }
        try queue.inject(to: "u@direct.example")
        try queue.inject(to: "joe@example.org")
        try queue.inject(from: "Joe@here.example", to: "u@d1.example", "u@direct.example")
        try queue.run()
        #expect(
            Self.destinations(queue) == [
                "smtps://relay.example", "smtp://joe@other.example:587", "direct.example", "local joe",
            ])
        #expect(
            queue.world.connections.filter { $0.jobs[0].destination == .remote(Self.relay) }.allSatisfy {
                $0.jobs.allSatisfy { $0.destination == .remote(Self.relay) }
            })
    }

    @Test("where it fails all that goes by way of it waits, under its name, and the rest goes on")
    func failing() throws {
        let queue = try TemporaryQueue(Self.keys)
        queue.world.behaviour = { connection in
            if connection.jobs[0].destination == .remote(Self.relay) {
                connection.answerAll(.deferred, "said: 535 5.7.8 no", isOfDestination: true)
            } else {
                connection.deliverAll()
            }
        }
        for number in 0..<3 { try queue.inject(to: "u@d\(number).example") }
        try queue.inject(to: "u@direct.example")
        try queue.run()
        let state = try #require(queue.failing("smtps://relay.example"))
        #expect(state.failures == 1 && state.text == "said: 535 5.7.8 no")
        #expect(try queue.names("destinations") == ["smtps=3a=2f=2frelay.example"])
        #expect(queue.logged("status=sent").count == 1)
        // One for another domain comes: there is no attempt of its own.
        let count = queue.world.connections.count
        try queue.inject(to: "u@d9.example")
        try queue.run()
        #expect(queue.world.connections.count == count)
        #expect(queue.logged("to=<u@d9.example>", "delivery temporarily suspended: said: 535").count == 1)
    }
}
