import Bytes
import Jobs
import Program
import Queue
import Testing
import Unix

@testable import Running

/// What is known of the two deliverers: each trouble is told once, and who works again has all that waited.
@Suite struct DelivererServicesTests {
    private let queue: TemporaryQueue
    private let world: World
    private let services: DelivererServices
    private let joe = Job.Destination.local(Array("joe".utf8))
    private let far = Job.Destination.remote(Array("one.example".utf8))

    init() throws {
        queue = try TemporaryQueue()
        world = queue.world
        var configuration = Configuration()
        configuration.queueDirectory = queue.path
        services = DelivererServices(
            configuration, log: Log(.file("\(queue.path)/log.txt"), tag: "t"), clock: world, deliverers: world
        )
    }

    private func candidate() throws -> Candidate {
        Candidate(id: MessageID.new(at: world.now), place: .incoming)
    }

    private func connect(for destination: Job.Destination) -> (failure: String?, happened: [Happening]) {
        var happened: [Happening] = []
        do throws(ServiceFailure) { _ = try services.connect(for: destination, &happened) } catch {
            return (error.text, happened)
        }
        return (nil, happened)
    }

    private func works(since time: Time) -> [Happening] {
        var happened: [Happening] = []
        services.works(joe, since: time, &happened)
        return happened
    }

    @Test("the words about a missing one name its socket, what went wrong, and the line that is wanted")
    func words() {
        world.absence = ["queue/local": .noEntry, "queue/remote": .timedOut]
        let local = connect(for: joe).failure ?? ""
        #expect(local.contains("/service/queue/local"))
        #expect(
            local.contains(
                "or relais-local.socket? (queue-runner --check) The line: \(queue.path)/service/queue/local stream unix nowait.1000000 "
            ))
        #expect(local.hasSuffix("local-deliver --service"))
        #expect(
            connect(for: far).failure
                == "\(queue.path)/service/queue/remote: inetd, or systemd, takes no connections: is it stopped?"
        )
    }

    @Test("a trouble is told when it begins and when it ends, and again when it is another")
    func told() {
        func troubles(_ happened: [Happening]) -> [String] {
            happened.compactMap { happening in
                if case .servicesChanged(let local, let remote) = happening {
                    return "\(local == nil ? "-" : "local") \(remote == nil ? "-" : "remote")"
                }
                return nil
            }
        }
        #expect(troubles(connect(for: joe).happened) == [])
        world.absence = ["queue/local": .noEntry, "queue/remote": .noEntry]
        #expect(troubles(connect(for: joe).happened) == ["local -"])
        #expect(troubles(connect(for: joe).happened) == [])
        #expect(troubles(connect(for: far).happened) == ["local remote"])
        world.absence = ["queue/local": .connectionRefused]
        #expect(troubles(connect(for: joe).happened) == ["local remote"])
        #expect(queue.logged("error: ").count == 3)
        #expect(troubles(works(since: world.now)) == ["- remote"])
        #expect(troubles(works(since: world.now)) == [])
    }

    @Test("a session that began before a trouble does not say that it is over")
    func older() throws {
        let before = world.now
        world.goOn(.seconds(1))
        world.absence = ["queue/local": .noEntry]
        _ = connect(for: joe)
        services.keep(try candidate(), for: joe)
        #expect(works(since: before).isEmpty && services.trouble(for: joe) != nil)
        #expect(works(since: world.now).count == 2 && services.trouble(for: joe) == nil)
    }

    @Test("who is in trouble is asked with one, each second, or every ten where it is there and refuses")
    func asking() throws {
        #expect(services.allowance(for: joe).count == .max)
        world.absence = ["queue/local": .noEntry]
        _ = connect(for: joe)
        for _ in 0..<3 { services.keep(try candidate(), for: joe) }
        for pause in [Duration.seconds(1), .seconds(10)] {
            #expect(services.trouble(for: joe) != nil && services.trouble(for: far) == nil)
            #expect(services.allowance(for: joe).count == 0 && services.askAgain().isEmpty)
            #expect(services.nextAsking == world.after(pause))
            world.goOn(pause)
            // It is worth a try, and one is.
            #expect(services.trouble(for: joe) == nil && services.askAgain().count == 1)
            #expect(services.allowance(for: joe).count == 1 && services.allowance(for: joe).count == 0)
            var happened: [Happening] = []
            services.refused(joe, "not root", &happened)
        }
        // In a new minute all of the queue is read.
        services.forgetWaiting()
        #expect(services.nextAsking == nil)
        world.goOn(.seconds(10))
        #expect(services.askAgain().isEmpty)
    }

    @Test("nothing waits for one that works")
    func keeping() throws {
        services.keep(try candidate(), for: joe)
        #expect(services.nextAsking == nil && services.askAgain().isEmpty)
    }
}
