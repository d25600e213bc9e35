import Program
import Unix

/// What a program asks for: to serve this client, whose handshake may last so long.
struct RelayRequest: ~Copyable {
    let client: Descriptor
    /// What the asking program speaks: `smtp`, `pop3`, `imap`.
    let protocolName: String
    let patience: Duration

    /// Reads the one record that comes first, and the descriptor with it. Both were sent at once, so they
    /// arrive at once; anything else is no request.
    static func receive(from service: CInt, by deadline: Deadline) throws(RequestRefusal) -> RelayRequest {
        let received: DescriptorPassing.Received
        do throws(SystemError) { received = try arrival(from: service, by: deadline) } catch {
            throw RequestRefusal("no request", .inputOutput)
        }
        // A process that refuses ends at once, and with it every descriptor that came along.
        guard let length = received.bytes.first, received.bytes.count == 1 + Int(length),
            case .request(let name, let patience) = TLSRecord(Array(received.bytes.dropFirst())),
            received.files.count == 1, StandardDescriptors.isSocket(received.files[0])
        else { throw RequestRefusal("bad request", .protocolError) }
        return RelayRequest(
            client: Descriptor(adopting: received.files[0]), protocolName: name, patience: patience)
    }

    private static func arrival(
        from service: CInt, by deadline: Deadline
    ) throws(SystemError) -> DescriptorPassing.Received {
        guard try Poll.wait(service, for: .reading, until: deadline) else {
            throw SystemError("poll", .timedOut, "")
        }
        return try DescriptorPassing.receive(upTo: 1 + TLSRecord.longest, over: service)
    }
}

/// Why a request is not served: for who asked, and as exit status for inetd's log.
struct RequestRefusal: Error {
    let reason: String
    let status: ExitStatus

    init(_ reason: String, _ status: ExitStatus) {
        self.reason = reason
        self.status = status
    }
}
