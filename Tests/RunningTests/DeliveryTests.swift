import Delivery
import Queue
import Testing
import Unix

@testable import Running

/// A message and its deliverer: what of each report is written down, and where the message is then.
@Suite struct DeliveryTests {
    @Test("a message goes to its deliverers, by destination, and is removed when all of them have it")
    func delivered() throws {
        let queue = try TemporaryQueue()
        try queue.inject(to: "x@one.example", "joe+list@example.org", "y@ONE.example.", "z@two.example")
        try queue.run()
        #expect(try queue.isEmpty)
        let jobs = queue.world.connections.map { connection in
            (connection.path.split(separator: "/").last ?? "", connection.jobs)
        }
        #expect(jobs.count == 3 && jobs.allSatisfy { $0.1.count == 1 })
        let local = try #require(jobs.first { $0.0 == "local" }?.1[0])
        #expect(local.destination == .local(Array("joe".utf8)) && local.recipients.map { $0.index } == [2])
        let remote = jobs.filter { $0.0 == "remote" }.map { $0.1[0] }
        #expect(
            Set(remote.map { $0.destination })
                == [.remote(Array("one.example".utf8)), .remote(Array("two.example".utf8))])
        #expect(Set(remote.map { $0.recipients.map { $0.index } }) == [[1, 3], [4]])
        #expect(queue.world.connections.allSatisfy { $0.contents == [Array("Subject: x\n\nx\n".utf8)] })
        #expect(queue.logged("status=sent").count == 4 && queue.log.last?.hasSuffix(": removed") == true)
    }
}
