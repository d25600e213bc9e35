import Bytes
import Testing
import Unix

@testable import Front

/// The record as it comes over a socket of ours, with the client's.
@Suite struct LoginReceiverTests {
    private static let request = LoginExchangeTests.request

    /// What comes of `pieces`, of which the first brings `sockets` with it.
    private func receive(
        _ pieces: [[UInt8]], sockets: Int, expectsSocket: Bool = true, ends: Bool = true
    ) throws -> (request: LoginRequest, client: PassedSocket?)? {
        let pair = try DescriptorPair.sockets()
        let client = try DescriptorPair.sockets()
        for (index, piece) in pieces.enumerated() where !piece.isEmpty {
            try DescriptorPassing.send(
                piece, with: Array(repeating: client.second.raw, count: index == 0 ? sockets : 0),
                over: pair.first.raw)
        }
        if ends { Socket.endWriting(pair.first.raw) }
        return LoginReceiver(
            over: pair.second.raw, expectsSocket: expectsSocket, patience: .milliseconds(ends ? 10_000 : 30)
        ).receive()
    }

    @Test("a record comes out as it went in, whole and byte by byte, and its socket with it")
    func whole() throws {
        let frame = Self.request.framed
        for pieces in [[frame], frame.map { [$0] }, [Array(frame.prefix(3)), Array(frame.dropFirst(3))]] {
            let received = try #require(try receive(pieces, sockets: 1))
            #expect(received.request == Self.request)
            let raw = try #require(received.client).take()
            #expect(raw > 2 && StandardDescriptors.isSocket(raw))
            _ = Descriptor(adopting: raw)
        }
        let answered = try #require(try receive([frame], sockets: 0, expectsSocket: false))
        #expect(answered.request == Self.request && answered.client == nil)
    }

    @Test("a record without the socket that it needs, or with one more, is none")
    func sockets() throws {
        let frame = Self.request.framed
        for (sockets, expects) in [(0, true), (2, true), (4, true), (1, false)] {
            #expect(try receive([frame], sockets: sockets, expectsSocket: expects) == nil)
        }
    }

    @Test("what is cut, is no record, is followed by another, or does not come is nobody's login")
    func damaged() throws {
        let frame = Self.request.framed
        for bytes in [
            [], Array(frame.dropLast()), [.ascii("x")] + frame, frame + frame, frame + [.lf],
            Array("0:,".utf8),
            Array("999999999:".utf8), Array("131073:".utf8),
        ] {
            #expect(try receive([bytes], sockets: 1) == nil)
        }
        #expect(try receive([], sockets: 0, ends: false) == nil)
        #expect(try receive([Array(frame.dropLast())], sockets: 1, ends: false) == nil)
    }

    @Test("a socket that nobody took is closed")
    func closed() throws {
        let pair = try DescriptorPair.sockets()
        let raw = try pair.second.duplicate().release()
        let near = pair.keepFirst()
        _ = PassedSocket(raw)
        #expect(try near.read(upTo: 1) == [])
    }
}
