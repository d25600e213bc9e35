import Bytes
import Unix

/// The answering end of `LoginService`: a record, and the client's socket with it, from a connection of ours.
package struct LoginReceiver {
    private let connection: CInt
    private let expectsSocket: Bool
    private let patience: Duration

    /// `expectsSocket`: whether a program is to serve the client, and needs it. Whoever connects here is one of ours, and writes
    /// its record at once.
    package init(over connection: CInt, expectsSocket: Bool, patience: Duration = .seconds(300)) {
        self.connection = connection
        self.expectsSocket = expectsSocket
        self.patience = patience
    }

    /// Nil at the end, for what is no record, for one without its socket or with more, and for one that is followed by another
    /// before it was answered.
    package func receive() -> (request: LoginRequest, client: PassedSocket?)? {
        var buffer: [UInt8] = []
        var sockets: [PassedSocket] = []
        let deadline = Deadline.after(patience)
        while true {
            switch Netstring.read(buffer[...], limit: LoginRequest.longest) {
            case .malformed: return nil
            case .whole(let payload, let size):
                guard size == buffer.count, let request = LoginRequest(payload),
                    (sockets.count == 1) == expectsSocket
                else { return nil }
                return (request, sockets.first)
            case .incomplete:
                guard (try? Poll.wait(connection, for: .reading, until: deadline)) == true,
                    let got = try? DescriptorPassing.receive(upTo: 65536, over: connection)
                else { return nil }
                sockets += got.files.map { PassedSocket($0) }
                guard !got.bytes.isEmpty, sockets.count <= 1 else { return nil }
                buffer += got.bytes
            }
        }
    }
}

/// A socket that came over a socket: closed unless it is taken.
package final class PassedSocket {
    private var raw: CInt

    package init(_ raw: CInt) { self.raw = raw }
    deinit { if raw >= 0 { _ = Descriptor(adopting: raw) } }

    package func take() -> CInt {
        defer { raw = -1 }
        return raw
    }
}
