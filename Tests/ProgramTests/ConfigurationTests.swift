import Program
import TemporaryPlaces
import Testing
import Unix

@Suite struct ConfigurationTests {
    @Test("the defaults that the manual states are the defaults that hold")
    func defaults() {
        var written = Configuration()
        for key in Configuration.keys where !key.standard.isEmpty {
            #expect(key.set(&written, key.standard), "\(key.name) refuses its own default")
        }
        #expect(written == Configuration())
    }

    @Test("no two keys have one name")
    func names() {
        let names = Configuration.keys.map(\.name)
        #expect(Set(names).count == names.count)
    }

    @Test("values, comments, continuation lines and CRLF are read")
    func reading() throws {
        let text =
            "# a comment\r\nhostname = mail.example.org\r\n\nlocal-domains = example.org,\n  example.net\n"
            + "message-size-limit=20K\nqueue-lifetime = 2d\nlog = /tmp/x\nrelay-networks = 192.0.2.0/24 2001:db8::/32\n"
        let read = try Configuration.parse(Array(text.utf8), file: "relais.conf")
        #expect(read.hostname == "mail.example.org")
        #expect(read.localDomains == ["example.org", "example.net"])
        #expect(read.messageSizeLimit == 20480)
        #expect(read.queueLifetime == .seconds(172_800))
        #expect(read.log == .file("/tmp/x"))
        #expect(read.relays(for: IPAddress("192.0.2.77")!))
        #expect(read.relays(for: IPAddress("2001:db8:1::1")!))
        #expect(!read.relays(for: IPAddress("192.0.3.1")!))
        #expect(read.relays(for: IPAddress("::ffff:192.0.2.1")!))
    }

    @Test(
        "a bad line is refused with file, line and what is expected",
        arguments: [
            ("colour = blue", "relais.conf:1: unknown key \"colour\"; relais.conf(5) lists them"),
            ("\n\nhostname", "relais.conf:3: expected `key = value`, found \"hostname\""),
            ("smtp-port = 0", "relais.conf:1: smtp-port takes a port number from 1 to 65535, not \"0\""),
            (
                "smtp-port = 65536",
                "relais.conf:1: smtp-port takes a port number from 1 to 65535, not \"65536\""
            ),
            ("recipient-limit = +5", "relais.conf:1: recipient-limit takes a whole number, not \"+5\""),
            (
                "queue-lifetime = 5 d",
                "relais.conf:1: queue-lifetime takes a duration such as 30s, 5m, 4h or 5d, not \"5 d\""
            ),
            ("hostname = a\nhostname = b", "relais.conf:2: hostname is given twice"),
            ("hostname = a b", "relais.conf:1: hostname takes one line of text, not \"a b\""),
            (
                "smtp-tls = maybe",
                "relais.conf:1: smtp-tls takes one of off, opportunistic, required, verified, not \"maybe\""
            ),
            (
                "relay-networks = 10.0.0.0/33",
                "relais.conf:1: relay-networks takes networks such as 192.0.2.0/24 or 2001:db8::/32, not \"10.0.0.0/33\""
            ),
            (
                "log = here",
                "relais.conf:1: log takes syslog, stderr, none, or a file's path that begins with /, not \"here\""
            ),
            (
                "message-size-limit = 99999999999999999999G",
                "relais.conf:1: message-size-limit takes a size such as 50M (K, M, G or plain bytes), not \"99999999999999999999G\""
            ),
            ("postmaster = a\u{1b}b", "relais.conf:1: postmaster has a control character in its value"),
            ("\u{1b}[2J = x", "relais.conf:1: unknown key \"\\x1b[2J\"; relais.conf(5) lists them"),
        ])
    func refusals(text: String, message: String) {
        #expect {
            try Configuration.parse(Array(text.utf8), file: "relais.conf")
        } throws: { "\($0)" == message }
    }

    @Test("plaintext-login says from where a password may come without TLS")
    func plaintextLogin() throws {
        let clients = [nil, "127.0.0.1", "::1", "::ffff:127.0.0.9", "192.0.2.1", "10.0.0.1", "2001:db8::1"]
        for (value, allowed) in [("never", 0), ("loopback", 4), ("always", 7)] {
            let configuration = try Configuration.parse(Array("plaintext-login = \(value)\n".utf8), file: "x")
            for (index, client) in clients.enumerated() {
                let may = configuration.allowsPlaintextLogin(from: client.flatMap { IPAddress($0) })
                #expect(may == (index < allowed), "\(value) \(client ?? "local")")
            }
        }
        #expect(Configuration().allowsPlaintextLogin(from: nil))
        #expect(!Configuration().allowsPlaintextLogin(from: IPAddress("192.0.2.1")))
    }

    @Test("an address's places are taken in turn; IPv6 by /64; what refuses has words")
    func slots() throws {
        let place = try TemporaryDirectory()
        let path = place.path + "/slots"
        let one = try #require(IPAddress("2001:db8::1"))
        let first = try ConnectionSlot(path, total: 10, perAddress: 2, address: one)
        let second = try ConnectionSlot(
            path, total: 10, perAddress: 2, address: IPAddress("2001:db8::ffff:1"))
        #expect(first.number == 0 && second.number == 1)
        #expect(throws: ConnectionSlot.Refusal.tooManyFromAddress) {
            _ = try ConnectionSlot(path, total: 10, perAddress: 2, address: one)
        }
        // A mapped IPv4 address is that address, not one of the /64 that all mapped ones are in.
        let mapped = try ConnectionSlot(
            path, total: 10, perAddress: 1, address: IPAddress("::ffff:192.0.2.1"))
        let other = try ConnectionSlot(path, total: 10, perAddress: 1, address: IPAddress("::ffff:192.0.2.2"))
        #expect(mapped.number == 0 && other.number == 0)
        #expect(throws: ConnectionSlot.Refusal.tooManyFromAddress) {
            _ = try ConnectionSlot(path, total: 10, perAddress: 1, address: IPAddress("192.0.2.1"))
        }
        #expect("\(ConnectionSlot.Refusal.tooMany)" == "too many connections")
        #expect(
            "\(ConnectionSlot.Refusal.unusable(SystemError("open", .noEntry, "/x")))".hasSuffix(
                "No such file or directory"))
    }
}
