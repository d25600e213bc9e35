import Bytes
import TLS
import Testing
import Unix

/// Two sessions whose ends are joined in memory.
struct Joined: ~Copyable {
    var server: TLSSession
    var client: TLSSession

    init(
        certificate: String = Certificates.good, trust: TLSContext.Trust = .anybody, name: String? = nil
    ) throws {
        let context: TLSContext = try Certificates.withFile(certificate, Certificates.key) {
            try TLSContext.server(certificate: $0, key: $0)
        }
        let one = try TLSSession(context)
        let other = try TLSSession(try TLSContext.client(trusting: trust), serverName: name)
        server = one
        client = other
    }

    /// Carries everything both ways, `step` bytes at a time, until both handshakes are over.
    mutating func handshake(step: Int = .max) throws {
        var done = (client: false, server: false)
        for _ in 0..<10 {
            if !done.client { done.client = try client.handshake() }
            for part in client.takeOutput().chunks(of: step) {
                server.receive(part)
                if !done.server { done.server = try server.handshake() }
            }
            for part in server.takeOutput().chunks(of: step) {
                client.receive(part)
                if !done.client { done.client = try client.handshake() }
            }
            if done.client, done.server { return }
        }
        Issue.record("no end of the handshake")
    }

    mutating func carry() {
        server.receive(client.takeOutput())
        client.receive(server.takeOutput())
    }
}

extension [UInt8] {
    func chunks(of size: Int) -> [ArraySlice<UInt8>] {
        stride(from: 0, to: count, by: Swift.min(size, Swift.max(1, count))).map {
            self[$0..<Swift.min(count, $0 + Swift.min(size, count))]
        }
    }
}

@Suite struct TLSSessionTests {
    @Test("Two ends agree on TLS 1.3, however the bytes are cut", arguments: [Int.max, 1000, 1])
    func handshake(step: Int) throws {
        var pair = try Joined()
        try pair.handshake(step: step)
        #expect(pair.client.agreement.version == "TLSv1.3")
        #expect(pair.client.agreement == pair.server.agreement)
        #expect(pair.client.agreement.bits >= 128)
    }

    @Test("What one writes the other reads", arguments: [1, 16384, 16385, 1_000_000])
    func data(count: Int) throws {
        var pair = try Joined()
        try pair.handshake()
        let sent = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 7) }
        try pair.client.write(sent)
        pair.carry()
        var got: [UInt8] = []
        while case .bytes(let bytes) = try pair.server.read() { got += bytes }
        #expect(got == sent)
        #expect(try pair.server.read() == .nothingYet)
    }

    @Test("close_notify ends one direction; the other goes on")
    func halfClose() throws {
        var pair = try Joined()
        try pair.handshake()
        try pair.client.write([UInt8]("last words"))
        pair.client.close()
        pair.carry()
        #expect(try pair.server.read() == .bytes([UInt8]("last words")))
        #expect(try pair.server.read() == .closed)
        try pair.server.write([UInt8]("answer"))
        pair.carry()
        #expect(try pair.client.read() == .bytes([UInt8]("answer")))
    }

    @Test("A changed byte is an error, and after it no plaintext comes out")
    func tampering() throws {
        var pair = try Joined()
        try pair.handshake()
        pair.carry()
        try pair.client.write([UInt8]("first"))
        var bytes = pair.client.takeOutput()
        bytes[bytes.count - 1] ^= 1
        pair.server.receive(bytes)
        #expect(throws: TLSError.self) { try readAll(&pair.server) }
        #expect(pair.server.outputCount > 0, "the alert")
        try pair.client.write([UInt8]("second"))
        pair.server.receive(pair.client.takeOutput())
        #expect(throws: TLSError.self) { try readAll(&pair.server) }
        #expect(throws: TLSError.self) { try pair.server.write([1]) }
    }

    private func readAll(_ session: inout TLSSession) throws {
        while case .bytes = try session.read() {}
    }

    @Test(
        "What is no TLS fails the handshake",
        arguments: [
            "EHLO stranger\r\n", "GET / HTTP/1.0\r\n\r\n", "\u{16}\u{3}\u{1}\u{0}\u{5}hello",
            "\u{80}\u{2E}\u{1}\u{3}\u{1}",
        ])
    func noise(text: String) throws {
        var pair = try Joined()
        pair.server.receive(Array(text.utf8))
        #expect(throws: TLSError.self) { try pair.server.handshake() }
        #expect(throws: TLSError.self) { try pair.server.read() }
    }

    struct Verification: CustomStringConvertible {
        let description: String
        let certificate: String
        let name: String
        let isGood: Bool
    }

    @Test(
        "A client that checks believes the right name only (T68)",
        arguments: [
            Verification(
                description: "the name", certificate: Certificates.good, name: "mail.example.org",
                isGood: true),
            Verification(
                description: "the name, other case", certificate: Certificates.good,
                name: "MAIL.Example.org", isGood: true),
            Verification(
                description: "the address", certificate: Certificates.good, name: "192.0.2.1", isGood: true),
            Verification(
                description: "another name", certificate: Certificates.good, name: "mx.example.org",
                isGood: false),
            Verification(
                description: "another address", certificate: Certificates.good, name: "192.0.2.2",
                isGood: false),
            Verification(
                description: "a wildcard", certificate: Certificates.wildcard, name: "mail.example.org",
                isGood: true),
            Verification(
                description: "a wildcard is one label", certificate: Certificates.wildcard,
                name: "a.b.example.org", isGood: false),
            Verification(
                description: "expired", certificate: Certificates.expired, name: "mail.example.org",
                isGood: false),
            Verification(
                description: "a NUL in the name", certificate: Certificates.nul, name: "mail.example.org",
                isGood: false),
        ])
    func verification(row: Verification) throws {
        try Certificates.withFile(Certificates.authority) { authority in
            var pair = try Joined(
                certificate: row.certificate, trust: .authorities(file: authority), name: row.name)
            if row.isGood {
                try pair.handshake()
            } else {
                #expect(throws: TLSError.self) { try pair.handshake() }
            }
        }
    }

    @Test("An authority that nobody knows is not believed, unless nobody has to be")
    func unknownAuthority() throws {
        var strict = try Joined(trust: .authorities(), name: "mail.example.org")
        #expect(throws: TLSError.self) { try strict.handshake() }
        var open = try Joined(trust: .anybody, name: "elsewhere.example")
        try open.handshake()
    }

    @Test("A certificate or key that cannot be used is an error at once")
    func badFiles() throws {
        #expect(throws: TLSError.self) {
            _ = try TLSContext.server(certificate: "/nonexistent", key: "/nonexistent")
        }
        try Certificates.withFile(Certificates.good) { certificate in
            #expect(throws: TLSError.self) {
                _ = try TLSContext.server(certificate: certificate, key: certificate)
            }
            try Certificates.withFile(Certificates.lockedKey) { key in
                #expect(throws: TLSError.self) {
                    _ = try TLSContext.server(certificate: certificate, key: key)
                }
            }
        }
    }
}
