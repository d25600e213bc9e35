import Testing
import Unix

@testable import Resolver

/// A small world of names: `MX`, `A`, `AAAA` answers by name; what is not in it does not exist.
struct World {
    var answers: [Question: Answer] = [:]

    static func name(_ text: String) -> DNSName { try! DNSName(text) }

    init(_ rows: (String, RecordType, Answer)...) {
        for (name, type, answer) in rows { answers[Question(Self.name(name), type)] = answer }
    }

    func lookUp(_ questions: [Question]) -> [Answer] {
        questions.map { question in
            if let answer = answers[question] { return answer }
            return answers.keys.contains { $0.name == question.name } ? .noData : .noSuchDomain
        }
    }
}

func mx(_ exchangers: (UInt16, String)...) -> Answer {
    .records(
        exchangers.map { preference, host in
            let name = host == "." ? DNSName.root : World.name(host)
            return ResourceRecord(
                name: .root, type: .mx, timeToLive: 60,
                data: .exchanger(preference: preference, name))
        })
}

func at(_ addresses: String...) -> Answer {
    .records(
        addresses.map {
            ResourceRecord(name: .root, type: .a, timeToLive: 60, data: .address(IPAddress($0)!))
        })
}

@Suite struct RouteTests {
    static let down = Answer.failed(.timedOut)

    static func find(
        _ destination: String, _ world: World, _ surroundings: Surroundings = Surroundings(), seed: UInt64 = 1
    ) -> Result<[String], NoRoute> {
        var random = Seeded(state: seed)
        do throws(NoRoute) {
            let route = try Route.find(
                Destination(route: destination)!, in: surroundings, random: &random, lookUp: world.lookUp)
            return .success(
                route.hosts.map { host in
                    host.name + " " + host.addresses.map { "\($0)" }.joined(separator: " ")
                })
        } catch { return .failure(error) }
    }

    /// A small generator with a seed (SplitMix64).
    struct Seeded: RandomNumberGenerator {
        var state: UInt64
        mutating func next() -> UInt64 {
            state &+= 0x9E37_79B9_7F4A_7C15
            var z = state
            z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
            z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
            return z ^ (z >> 31)
        }
    }

    struct Row: CustomStringConvertible {
        let description: String
        let world: World
        let expected: Result<[String], NoRoute>

        init(_ description: String, _ world: World, _ hosts: [String]) {
            (self.description, self.world, expected) = (description, world, .success(hosts))
        }
        init(_ description: String, _ world: World, _ reason: NoRoute) {
            (self.description, self.world, expected) = (description, world, .failure(reason))
        }
    }

    static let domain = World.name("example.org")
    static let rows: [Row] = [
        Row(
            "exchangers by preference, not by order of the answer",
            World(
                ("example.org", .mx, mx((20, "b"), (10, "a"), (65535, "c"))), ("a", .a, at("192.0.2.1")),
                ("b", .a, at("192.0.2.2")), ("c", .a, at("192.0.2.3"))),
            ["a 192.0.2.1", "b 192.0.2.2", "c 192.0.2.3"]),
        Row(
            "no MX: the domain's own address",
            World(("example.org", .a, at("192.0.2.1"))), ["example.org 192.0.2.1"]),
        Row(
            "no MX, IPv6 only",
            World(("example.org", .aaaa, at("2001:db8::1"))), ["example.org 2001:db8::1"]),
        Row("null MX", World(("example.org", .mx, mx((0, ".")))), .acceptsNoMail(domain)),
        Row(
            "null MX of a host with an address",
            World(("example.org", .mx, mx((0, "."))), ("example.org", .a, at("192.0.2.1"))),
            .acceptsNoMail(domain)),
        Row(
            "a root among other exchangers is left out",
            World(("example.org", .mx, mx((0, "."), (10, "a"))), ("a", .a, at("192.0.2.1"))),
            ["a 192.0.2.1"]),
        Row("no such domain", World(), .noSuchDomain(domain)),
        Row("neither MX nor address", World(("example.org", .txt, .noData)), .nobodyThere(domain)),
        Row("MX cannot be asked", World(("example.org", .mx, down)), .unknown(domain, .timedOut)),
        Row(
            "MX refused is temporary",
            World(("example.org", .mx, .failed(.response(.refused)))),
            .unknown(domain, .response(.refused))),
        Row(
            "MX silent is not 'no MX': the address is not used",
            World(("example.org", .mx, down), ("example.org", .a, at("192.0.2.1"))),
            .unknown(domain, .timedOut)),
        Row(
            "an exchanger that does not exist is passed over",
            World(("example.org", .mx, mx((1, "gone"), (2, "b"))), ("b", .a, at("192.0.2.2"))),
            ["b 192.0.2.2"]),
        Row(
            "no exchanger exists",
            World(("example.org", .mx, mx((1, "gone"), (2, "away")))), .nobodyThere(domain)),
        Row(
            "one exchanger gone, one unknown: unknown",
            World(("example.org", .mx, mx((1, "gone"), (2, "b"))), ("b", .a, down), ("b", .aaaa, down)),
            .unknown(World.name("b"), .timedOut)),
        Row(
            "one family unknown, the other known: known",
            World(("example.org", .mx, mx((1, "b"))), ("b", .a, at("192.0.2.2")), ("b", .aaaa, down)),
            ["b 192.0.2.2"]),
        Row(
            "one family unknown, of the other it is said that there is no such name: unknown",
            World(
                ("example.org", .mx, mx((1, "b"))), ("b", .a, .noSuchDomain), ("b", .aaaa, down)),
            .unknown(World.name("b"), .timedOut)),
        Row(
            "what is better than this host is unknown: that is for another time",
            World(
                ("example.org", .mx, mx((1, "a"), (2, "lo"))), ("a", .a, down), ("a", .aaaa, down),
                ("lo", .a, at("127.0.0.1"))),
            .unknown(World.name("a"), .timedOut)),
        Row(
            "what is better than this host does not exist: mail would come back",
            World(("example.org", .mx, mx((1, "a"), (2, "lo"))), ("lo", .a, at("127.0.0.1"))),
            .leadsBack(domain)),
        Row(
            "families take turns, IPv6 first",
            World(
                ("example.org", .mx, mx((1, "b"))), ("b", .a, at("192.0.2.2")),
                ("b", .aaaa, at("2001:db8::2"))),
            ["b 2001:db8::2 192.0.2.2"]),
        Row(
            "loopback is ourselves: the list ends there",
            World(
                ("example.org", .mx, mx((1, "a"), (2, "lo"), (3, "c"))), ("a", .a, at("192.0.2.1")),
                ("lo", .a, at("127.0.0.1")), ("c", .a, at("192.0.2.3"))),
            ["a 192.0.2.1"]),
        Row(
            "we are best: mail would come back",
            World(
                ("example.org", .mx, mx((1, "lo"), (3, "c"))), ("lo", .aaaa, at("::1")),
                ("c", .a, at("192.0.2.3"))),
            .leadsBack(domain)),
        Row(
            "we are among equals: all of that preference go",
            World(
                ("example.org", .mx, mx((1, "a"), (2, "b"), (2, "own"), (2, "d"))),
                ("a", .a, at("192.0.2.1")), ("b", .a, at("192.0.2.2")), ("own", .a, at("198.51.100.1")),
                ("d", .a, at("192.0.2.4"))),
            ["a 192.0.2.1"]),
        Row(
            "an exchanger with our name, without asking for its address",
            World(
                ("example.org", .mx, mx((1, "a"), (2, "MAIL.own.example"), (3, "c"))),
                ("a", .a, at("192.0.2.1")), ("c", .a, at("192.0.2.3"))),
            ["a 192.0.2.1"]),
        Row(
            "our name among equals: all of that preference go, and all that are worse",
            World(
                ("example.org", .mx, mx((1, "a"), (2, "b"), (2, "mail.own.example"), (2, "d"), (3, "c"))),
                ("a", .a, at("192.0.2.1")), ("b", .a, at("192.0.2.2")), ("c", .a, at("192.0.2.3")),
                ("d", .a, at("192.0.2.4"))),
            ["a 192.0.2.1"]),
        Row(
            "our name in other letters, and with the dot behind it",
            World(
                ("example.org", .mx, mx((1, "a"), (2, "b"), (2, "Mail.OWN.Example."))),
                ("a", .a, at("192.0.2.1")), ("b", .a, at("192.0.2.2"))),
            ["a 192.0.2.1"]),
        Row(
            "nobody but an equal beside our name",
            World(("example.org", .mx, mx((2, "b"), (2, "mail.own.example"))), ("b", .a, at("192.0.2.2"))),
            .leadsBack(domain)),
        Row(
            "only our name", World(("example.org", .mx, mx((2, "mail.own.example")))), .leadsBack(domain)),
        Row(
            "the domain's own address is ours",
            World(("example.org", .a, at("198.51.100.1"))), .leadsBack(domain)),
        Row(
            "IPv4 in IPv6 clothes does not hide loopback",
            World(("example.org", .aaaa, at("::ffff:127.0.0.1"))), .leadsBack(domain)),
        Row(
            "addresses where nobody can be are passed over",
            World(
                ("example.org", .mx, mx((1, "a"), (2, "b"))),
                ("a", .a, at("0.0.0.0", "169.254.169.254", "224.0.0.1", "255.255.255.255")),
                ("a", .aaaa, at("fe80::1", "ff02::1", "::")), ("b", .a, at("192.0.2.2"))),
            ["b 192.0.2.2"]),
        Row(
            "nothing but such addresses",
            World(("example.org", .mx, mx((1, "a"))), ("a", .a, at("169.254.169.254"))),
            .unusableAddress("example.org")),
    ]

    @Test("The road to a domain", arguments: rows)
    func road(row: Row) {
        let own = Surroundings(
            ownNames: [World.name("mail.own.example")], ownAddresses: [IPAddress("198.51.100.1")!])
        #expect(Self.find("example.org", row.world, own) == row.expected)
    }

    @Test("Exchangers of equal preference take turns")
    func shuffling() {
        let world = World(
            ("example.org", .mx, mx((1, "a"), (1, "b"), (2, "c"))), ("a", .a, at("192.0.2.1")),
            ("b", .a, at("192.0.2.2")), ("c", .a, at("192.0.2.3")))
        var firsts: Set<String> = []
        for seed in 0..<32 as Range<UInt64> {
            guard case .success(let hosts) = Self.find("example.org", world, seed: seed) else { continue }
            #expect(hosts.count == 3 && hosts[2] == "c 192.0.2.3")
            firsts.insert(hosts[0])
        }
        #expect(firsts.count == 2)
    }

    @Test("Whichever of the equals comes first, none of them is tried where one is this host")
    func equals() {
        let own = Surroundings(
            ownNames: [World.name("mail.own.example")], ownAddresses: [IPAddress("198.51.100.1")!])
        for name in ["own", "mail.own.example"] {
            let world = World(
                ("example.org", .mx, mx((2, "b"), (2, name), (2, "d"), (1, "a"), (3, "c"))),
                ("a", .a, at("192.0.2.1")), ("b", .a, at("192.0.2.2")), ("c", .a, at("192.0.2.3")),
                ("d", .a, at("192.0.2.4")), (name, .a, at("198.51.100.1")))
            for seed in 0..<16 as Range<UInt64> {
                #expect(Self.find("example.org", world, own, seed: seed) == .success(["a 192.0.2.1"]))
            }
        }
    }

    @Test("Five hundred exchangers cost a bounded number of lookups (T70)")
    func manyExchangers() {
        let records = (0..<500).map { (UInt16($0), "mx\($0)") }
        var world = World()
        world.answers[Question(Self.domain, .mx)] = .records(
            records.map {
                ResourceRecord(
                    name: .root, type: .mx, timeToLive: 1,
                    data: .exchanger(preference: $0.0, World.name($0.1)))
            })
        for (_, host) in records { world.answers[Question(World.name(host), .a)] = at("192.0.2.9") }
        var asked = 0
        var random = Seeded(state: 7)
        let route = try? Route.find(.domain(Self.domain), in: Surroundings(), random: &random) { questions in
            asked += questions.count
            return world.lookUp(questions)
        }
        #expect(route?.hosts.count == Route.mostExchangers)
        #expect(asked == 1 + 2 * Route.mostExchangers)
    }

    @Test("Of a host's addresses so many are tried, and no more", arguments: [0, 1])
    func manyAddresses(more: Int) throws {
        let count = Route.mostAddresses + more
        let addresses = (1...count).map {
            ResourceRecord(
                name: .root, type: .a, timeToLive: 1, data: .address(IPAddress("192.0.2.\($0)")!))
        }
        var random = Seeded(state: 7)
        let world = World(("example.org", .a, .records(addresses)))
        let route = try Route.find(
            .domain(Self.domain), in: Surroundings(), random: &random, lookUp: world.lookUp)
        #expect(Set(try #require(route.hosts.first).addresses).count == Route.mostAddresses)
        #expect(route.hosts.count == 1)
    }

    @Test("An IP version that is not wanted is not asked for")
    func oneFamily() {
        let world = World(("example.org", .a, at("192.0.2.1")), ("example.org", .aaaa, at("2001:db8::1")))
        #expect(
            Self.find("example.org", world, Surroundings(usesIPv6: false))
                == .success(["example.org 192.0.2.1"]))
        #expect(
            Self.find("example.org", world, Surroundings(usesIPv4: false))
                == .success(["example.org 2001:db8::1"]))
    }

    @Test("A permitted network may be our own")
    func permitted() {
        let world = World(("example.org", .a, at("127.0.0.2")))
        let open = Surroundings(permitted: [Network("127.0.0.2/32")!])
        #expect(Self.find("example.org", world, open) == .success(["example.org 127.0.0.2"]))
        #expect(Self.find("example.org", world) == .failure(.leadsBack(Self.domain)))
        #expect(Self.find("[127.0.0.2]:2525", World()) == .success(["[127.0.0.2] 127.0.0.2"]))
    }

    @Test("An address literal in a mail address reaches nobody's loopback (T71)")
    func literals() throws {
        var random = Seeded(state: 1)
        for text in ["[127.0.0.1]", "[0.0.0.0]", "[IPv6:::1]", "[169.254.1.1]", "[IPv6:::ffff:127.0.0.1]"] {
            let destination = try #require(Destination(mailDomain: text))
            #expect(throws: NoRoute.self) {
                try Route.find(
                    destination, in: Surroundings(), random: &random, lookUp: World().lookUp)
            }
        }
        let good = try #require(Destination(mailDomain: "[IPv6:2001:db8::1]"))
        let route = try Route.find(good, in: Surroundings(), random: &random, lookUp: World().lookUp)
        #expect(route.hosts.map(\.addresses) == [[IPAddress("2001:db8::1")!]])
    }
}

@Suite struct DestinationTests {
    @Test(
        "A destination is a domain, a literal, or a host with brackets or a port",
        arguments: [
            ("example.org", .domain(World.name("example.org"))),
            ("example.org:2525", .host(World.name("example.org"), port: 2525)),
            ("[example.org]", .host(World.name("example.org"), port: nil)),
            ("[example.org]:26", .host(World.name("example.org"), port: 26)),
            ("[192.0.2.1]", .address(IPAddress("192.0.2.1")!, port: nil)),
            ("192.0.2.1:2525", .address(IPAddress("192.0.2.1")!, port: 2525)),
            ("[2001:db8::1]:25", .address(IPAddress("2001:db8::1")!, port: 25)),
            ("[IPv6:2001:db8::1]", .address(IPAddress("2001:db8::1")!, port: nil)),
        ] as [(String, Destination)])
    func routes(text: String, destination: Destination) {
        #expect(Destination(route: text) == destination)
    }

    @Test(
        "What is neither is refused",
        arguments: [
            "", ".", "a..b", "[", "]", "[]", "[a", "a]", "[a]b", ":25", "a:", "a:0", "a:65536", "a:-1",
            "a:+5",
            "a:2x", "[a b]", "[IPv6:192.0.2.1]", "[IPv6:zz]", "2001:db8::1", "2001:db8::1:25", "a\\.b:25",
        ])
    func refused(text: String) { #expect(Destination(route: text) == nil) }
}

@Suite struct NameServersTests {
    @Test("resolv.conf names up to three servers")
    func configuration() {
        let text = """
            # nameserver 192.0.2.9
            search example.org
            nameserver 192.0.2.1
            nameserver\t2001:db8::1  trailing
            nameserver nonsense
            nameserver
            nameserver fe80::1%eth0
              nameserver 192.0.2.3
            nameserver 192.0.2.4
            """
        #expect(
            NameServers.parse(Array(text.utf8)).map(\.description)
                == ["192.0.2.1:53", "[2001:db8::1]:53", "192.0.2.3:53"])
    }

    @Test("Without any, the local host is asked; it is told if the file cannot be read")
    func none() {
        #expect(NameServers.parse([]).map(\.description) == ["127.0.0.1:53"])
        for (path, isTold) in [
            ("/dev", true), ("/dev/null/x", false), ("/nonexistent", false), ("/dev/zero", true),
        ] {
            var told = false
            let servers = NameServers.ofHost(path: path) { _ in told = true }
            #expect(servers.map(\.description) == ["127.0.0.1:53"] && told == isTold)
        }
    }
}
