import Bytes
import Program
import Testing
import Unix

@testable import tls_relay

/// What a program asks of tls-relay: one record, and the client's socket with it.
@Suite struct RelayRequestTests {
    /// What comes of `bytes` and so many sockets, said at once.
    private func receive(
        _ bytes: [UInt8], sockets: Int, of kind: Kind = .socket
    ) throws(RequestRefusal) -> RelayRequest {
        guard let pair = try? DescriptorPair.sockets(), let socket = try? DescriptorPair.sockets(),
            let pipe = try? DescriptorPair.pipe()
        else { throw RequestRefusal("no sockets", .osError) }
        let passed = kind == .socket ? socket.second.raw : pipe.second.raw
        try? DescriptorPassing.send(
            bytes, with: Array(repeating: passed, count: sockets), over: pair.first.raw)
        return try RelayRequest.receive(from: pair.second.raw, by: .after(.seconds(10)))
    }

    private enum Kind { case socket, pipe }

    private func refusal(_ bytes: [UInt8], sockets: Int, of kind: Kind = .socket) -> RequestRefusal? {
        do throws(RequestRefusal) {
            _ = try receive(bytes, sockets: sockets, of: kind)
            return nil
        } catch { return error }
    }

    private static let record = TLSRecord.request(protocol: "imap", patience: .seconds(60)).framed

    @Test(
        "the record says what is spoken and how long the handshake may last, and the socket is the client's")
    func whole() throws {
        let request = try receive(Self.record, sockets: 1)
        #expect(request.protocolName == "imap" && request.patience == .seconds(60))
        #expect(StandardDescriptors.isSocket(request.client.raw))
    }

    @Test("a record without a socket, with two, or with what is none is no request")
    func sockets() {
        for (sockets, kind) in [(0, Kind.socket), (2, .socket), (4, .socket), (1, .pipe)] {
            let refused = refusal(Self.record, sockets: sockets, of: kind)
            #expect(refused?.reason == "bad request" && refused?.status == .protocolError)
        }
    }

    @Test("what is cut, longer than it says, or another record is no request")
    func damaged() {
        for bytes in [
            Array(Self.record.dropLast()), Self.record + [.space], [0], TLSRecord.ready.framed,
            [12] + Array("serve smtp 0".utf8), [10] + Array("serve smtp".utf8), Array("EHLO x\r\n".utf8),
        ] {
            #expect(refusal(bytes, sockets: 1)?.reason == "bad request", "\(bytes.escaped())")
        }
    }

    @Test("who says nothing is waited for until the deadline, and no longer")
    func silence() throws {
        let pair = try DescriptorPair.sockets()
        do throws(RequestRefusal) {
            _ = try RelayRequest.receive(from: pair.second.raw, by: .after(.milliseconds(20)))
            Issue.record("there was a request")
        } catch { #expect(error.reason == "no request" && error.status == .inputOutput) }
        withExtendedLifetime(pair.first.raw) {}
    }
}
