import Bytes
import Testing
import Unix

@testable import TLS

/// A relay between a program's end of a socket pair and a client that speaks TLS in memory over another.
struct RelayRig: ~Copyable {
    var relay: TLSRelay
    var client: TLSSession
    /// The client's end of its connection, the relay's end, and the same for the program.
    let wire: DescriptorPair
    let program: DescriptorPair

    init() throws {
        let context: TLSContext = try Certificates.withFile(Certificates.good, Certificates.key) {
            try TLSContext.server(certificate: $0, key: $0)
        }
        let server = try TLSSession(context)
        let client = try TLSSession(try TLSContext.client(trusting: .anybody))
        let wire = try DescriptorPair.sockets()
        let program = try DescriptorPair.sockets()
        relay = TLSRelay(client: wire.second.raw, program: program.second.raw, session: server)
        self.client = client
        self.wire = wire
        self.program = program
    }

    static func soon() -> Deadline { .after(.milliseconds(5)) }

    /// Shakes hands, and sends the client's last handshake message and what it says with it.
    mutating func begin() throws {
        for _ in 0..<10 {
            let isDone = try client.handshake()
            try say()
            if isDone { break }
            do {
                _ = try relay.handshake(by: Self.soon())
            } catch TLSRelay.Failure.timedOut {}
            try hear()
        }
        _ = try relay.handshake(by: Self.soon())
        try hear()
    }

    /// Puts what the client's session wants to send on the wire.
    mutating func say() throws { try wire.first.write(client.takeOutput()) }
    /// Gives the client's session what is on the wire.
    mutating func hear() throws {
        while let bytes = try Socket.receive(wire.first.raw, upTo: 65536), !bytes.isEmpty {
            client.receive(bytes)
        }
    }

    /// Lets the relay work until nothing comes any more; whether it is still relaying.
    mutating func settle() throws -> Bool {
        for _ in 0..<1000 {
            do {
                guard try relay.turn(until: Self.soon()) else { return false }
            } catch TLSRelay.Failure.timedOut { return true }
        }
        return true
    }

    func programHears() throws -> [UInt8]? { try Socket.receive(program.first.raw, upTo: 1 << 20) }
}

@Suite struct TLSRelayTests {
    @Test("What one side says the other hears, in the clear and in cipher")
    func both() throws {
        var rig = try RelayRig()
        try rig.begin()
        try rig.client.write([UInt8]("EHLO client\r\n"))
        try rig.say()
        try rig.program.first.write([UInt8]("250 hello\r\n"))
        #expect(try rig.settle())
        #expect(try rig.programHears() == [UInt8]("EHLO client\r\n"))
        try rig.hear()
        #expect(try rig.client.read() == .bytes([UInt8]("250 hello\r\n")))
    }

    @Test("What a client says together with the end of its handshake is heard")
    func early() throws {
        var rig = try RelayRig()
        _ = try rig.client.handshake()
        try rig.say()
        #expect(throws: TLSRelay.Failure.timedOut) { _ = try rig.relay.handshake(by: RelayRig.soon()) }
        try rig.hear()
        #expect(try rig.client.handshake())
        try rig.client.write([UInt8]("EHLO client\r\n"))
        try rig.say()
        _ = try rig.relay.handshake(by: RelayRig.soon())
        #expect(try rig.settle())
        #expect(try rig.programHears() == [UInt8]("EHLO client\r\n"))
    }

    @Test("The program's end becomes close_notify and the end of the connection")
    func programEnds() throws {
        var rig = try RelayRig()
        try rig.begin()
        try rig.program.first.write([UInt8]("221 bye\r\n"))
        Socket.endWriting(rig.program.first.raw)
        #expect(try rig.settle())
        try rig.hear()
        #expect(try rig.client.read() == .bytes([UInt8]("221 bye\r\n")))
        #expect(try rig.client.read() == .closed)
        #expect(try Socket.receive(rig.wire.first.raw, upTo: 10) == [])
        Socket.endWriting(rig.wire.first.raw)
        #expect(try rig.settle() == false)
    }

    @Test("close_notify ends what the program hears; it can still answer, and nothing after it is heard (T5)")
    func clientEnds() throws {
        var rig = try RelayRig()
        try rig.begin()
        try rig.client.write([UInt8]("QUIT\r\n"))
        rig.client.close()
        try rig.say()
        try rig.wire.first.write([UInt8]("MAIL FROM:<in@the.clear>\r\n"))
        #expect(try rig.settle())
        #expect(try rig.programHears() == [UInt8]("QUIT\r\n"))
        #expect(try rig.programHears() == [])
        try rig.program.first.write([UInt8]("221 bye\r\n"))
        #expect(try rig.settle())
        try rig.hear()
        #expect(try rig.client.read() == .bytes([UInt8]("221 bye\r\n")))
    }

    @Test("A client that just goes away ends what the program hears")
    func clientVanishes() throws {
        var rig = try RelayRig()
        try rig.begin()
        try rig.client.write([UInt8]("DATA"))
        try rig.say()
        Socket.endWriting(rig.wire.first.raw)
        #expect(try rig.settle())
        #expect(try rig.programHears() == [UInt8]("DATA"))
        #expect(try rig.programHears() == [])
    }

    @Test("After garbage nothing more reaches the program, and the client gets an alert")
    func garbage() throws {
        var rig = try RelayRig()
        try rig.begin()
        try rig.wire.first.write([UInt8]("\u{17}\u{3}\u{3}\u{0}\u{14}12345678901234567890"))
        do {
            _ = try rig.settle()
            Issue.record("the relay went on")
        } catch TLSRelay.Failure.tls(_) {}
        #expect(try rig.programHears() == nil)
        try rig.hear()
        #expect(throws: TLSError.self) { _ = try rig.client.read() }
    }

    @Test("Plaintext instead of a handshake is a failure, and the program hears nothing of it (T7)")
    func plaintext() throws {
        var rig = try RelayRig()
        try rig.wire.first.write([UInt8]("NOOP\r\nNOOP\r\n"))
        do {
            _ = try rig.relay.handshake(by: RelayRig.soon())
            Issue.record("a handshake")
        } catch TLSRelay.Failure.tls(_) {}
        #expect(try rig.programHears() == nil)
    }

    @Test("A silent client, and a program that leaves, end the handshake")
    func handshakeEnds() throws {
        var silent = try RelayRig()
        #expect(throws: TLSRelay.Failure.timedOut) {
            _ = try silent.relay.handshake(by: .after(.milliseconds(1)))
        }
        var alone = try RelayRig()
        Socket.endWriting(alone.program.first.raw)
        #expect(throws: TLSRelay.Failure.disconnected) {
            _ = try alone.relay.handshake(by: .after(.seconds(5)))
        }
        var gone = try RelayRig()
        Socket.endWriting(gone.wire.first.raw)
        #expect(throws: TLSRelay.Failure.disconnected) {
            _ = try gone.relay.handshake(by: .after(.seconds(5)))
        }
    }

    @Test("A program that does not read makes the client wait, not the relay grow")
    func bounded() throws {
        var rig = try RelayRig()
        try rig.begin()
        let chunk = [UInt8](repeating: 0x61, count: 16000)
        var offered = 0
        var taken = 0
        var waiting: [UInt8] = []
        while offered < 100 {
            try rig.client.write(chunk)
            waiting += rig.client.takeOutput()
            let sent = try Socket.send(rig.wire.first.raw, waiting[...])
            waiting.removeFirst(sent)
            offered += 1
            _ = try rig.settle()
        }
        #expect(!waiting.isEmpty, "the client had to wait")
        // Now the program reads, and everything arrives in order.
        while taken < offered * chunk.count {
            if !waiting.isEmpty {
                waiting.removeFirst(try Socket.send(rig.wire.first.raw, waiting[...]))
            }
            if let bytes = try rig.programHears() {
                taken += bytes.count
                #expect(bytes.allSatisfy { $0 == 0x61 })
            }
            _ = try rig.settle()
        }
        #expect(taken == offered * chunk.count)
    }
}
