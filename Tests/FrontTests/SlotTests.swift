import Program
import TemporaryPlaces
import Testing
import Unix

@testable import Front

/// Who finds a place, and what is said to who finds none.
@Suite struct SlotTests {
    private static let busy = [
        "smtp": "421 4.3.2 here.example Too many connections, try again later\r\n",
        "pop3": "-ERR [IN-USE] Too many connections, try again later\r\n",
        "imap": "* BYE [UNAVAILABLE] Too many connections, try again later\r\n",
    ]

    @Test(
        "who finds all places taken is told so in the words of the protocol, and the next one is served",
        arguments: ServedProtocol.all)
    func total(service: ServedProtocol) throws {
        let scene = try Scene()
        scene.limits.total = 1
        var second: (heard: String, isServed: Bool)?
        let first = try scene.serve(service, from: "192.0.2.1") { _ in
            second = try? scene.serve(service, from: "192.0.2.2")
        }
        #expect(first.isServed && first.heard == "")
        #expect(second?.isServed == false && second?.heard == Self.busy[service.name])
        #expect(try soon { try scene.serve(service, from: "192.0.2.2").isServed })
        #expect(
            scene.logged.contains {
                $0.hasPrefix("warning: refused ") && $0.hasSuffix("too many connections")
            })
    }

    @Test(
        "an address has so many places and not one more; another has its own", arguments: ServedProtocol.all)
    func perAddress(service: ServedProtocol) throws {
        let scene = try Scene()
        var served: [Bool] = []
        try scene.serve(service, from: "192.0.2.1") { _ in
            _ = try? scene.serve(service, from: "192.0.2.1") { _ in
                for address in ["192.0.2.1", "::ffff:192.0.2.1", "192.0.2.2", "2001:db8::1"] {
                    served.append((try? scene.serve(service, from: address).isServed) ?? false)
                }
            }
        }
        #expect(served == [false, false, true, true])
        #expect(scene.logged.contains { $0.hasSuffix(": too many connections from this address") })
        #expect(try soon { try scene.serve(service, from: "192.0.2.1").isServed })
    }

    @Test("a customer's IPv6 addresses, a /64, are one")
    func customers() throws {
        let scene = try Scene()
        scene.limits.perAddress = 1
        var served: [Bool] = []
        try scene.serve(.imap, from: "2001:db8::1") { _ in
            for address in ["2001:db8::2", "2001:db8:0:1::2"] {
                served.append((try? scene.serve(.imap, from: address).isServed) ?? false)
            }
        }
        #expect(served == [false, true])
    }

    @Test("clients that may relay are counted in the total only", arguments: ServedProtocol.all)
    func ours(service: ServedProtocol) throws {
        let scene = try Scene()
        scene.configuration.relayNetworks = [try #require(Network("192.0.2.0/24"))]
        scene.limits.total = 3
        scene.limits.perAddress = 1
        var served: [Bool] = []
        func another(_ depth: Int) {
            _ = try? scene.serve(service, from: "192.0.2.1") { _ in
                served.append(true)
                if depth > 1 { another(depth - 1) }
            }
        }
        another(5)
        #expect(served.count == 3)
    }

    @Test(
        "a program of this host that started smtpd itself needs no slot; whatever else cannot be counted is refused, and the log says why"
    )
    func programs() throws {
        let scene = try Scene()
        scene.configuration.slotsDirectory = scene.directory + "/none"
        for service in ServedProtocol.all {
            #expect(try scene.serve(service, from: nil).isServed == (service.name == "smtp"))
            let refused = try scene.serve(service, from: "192.0.2.1")
            #expect(!refused.isServed && refused.heard == Self.busy[service.name])
        }
        #expect(
            scene.logged.count { $0.contains("connections cannot be counted: ") && $0.contains("/none") } == 5
        )
    }

    @Test("services are counted apart")
    func apart() throws {
        let scene = try Scene()
        scene.limits.total = 1
        var served: [Bool] = []
        try scene.serve(.imap, from: "192.0.2.1") { _ in
            for service in ServedProtocol.all {
                served.append((try? scene.serve(service, from: "192.0.2.1").isServed) ?? false)
            }
        }
        #expect(served == [true, true, false])
    }

    @Test("a client's name is Postfix's in smtpd's log, and its address in that of the others")
    func names() {
        let configuration = Configuration()
        let address = IPAddress("2001:db8::1")
        #expect(Client(address, of: .smtp(hostname: "h"), configuration).name == "unknown[2001:db8::1]")
        #expect(Client(nil, of: .smtp(hostname: "h"), configuration).name == "localhost[127.0.0.1]")
        #expect(Client(address, of: .pop3, configuration).name == "2001:db8::1")
        #expect(Client(nil, of: .imap, configuration).name == "local")
        #expect(
            Client(nil, of: .imap, configuration).mayRelay
                && !Client(address, of: .imap, configuration).mayRelay)
        #expect(Client(IPAddress("127.0.0.9"), of: .imap, configuration).mayRelay)
    }
}
