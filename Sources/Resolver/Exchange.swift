import Bytes
import Unix

/// One question on its way: the packet that asks it, and what tells an answer to it from anything else.
struct Query {
    let question: Question
    let id: UInt16
    let packet: [UInt8]
}

/// One round of questions to one server: by UDP over a connected socket, whose port the kernel draws, and by TCP for
/// those whose answer did not fit. What comes is looked at only if it is an answer (the QR bit), of this kind (the
/// opcode), with the id and to the question that was asked (RFC 5452 §9.1, T72); anything else is as if it had not
/// come, and prolongs nothing.
struct Exchange {
    let server: SocketAddress
    /// How long either transport may take.
    let patience: Duration
    /// When all must be over.
    let end: Deadline

    /// What became of one question.
    struct Outcome {
        var result = Result<[UInt8], LookupFailure>.failure(.timedOut)
        /// Asked for by TCP because it did not fit.
        var cameByTCP = false

        var isOpen: Bool { if case .failure(.timedOut) = result { true } else { false } }
    }

    /// The raw replies, or why there is none, in the order of `queries`, whose ids differ.
    func ask(_ queries: [Query], byTCP: Bool) -> [Outcome] {
        var outcomes = [Outcome](repeating: Outcome(), count: queries.count)
        var forTCP = Array(queries.indices)
        if !byTCP {
            forTCP = []
            do throws(SystemError) { try askByUDP(queries, &outcomes, truncated: &forTCP) } catch {
                fail(&outcomes, Self.failure(error))
            }
        }
        if !forTCP.isEmpty {
            for index in forTCP { outcomes[index] = Outcome(cameByTCP: !byTCP) }
            do throws(StreamError) { try askByTCP(forTCP.map { queries[$0] }, forTCP, &outcomes) } catch {
                fail(&outcomes, Self.failure(error))
            }
        }
        return outcomes
    }

    private func fail(_ outcomes: inout [Outcome], _ failure: LookupFailure) {
        for index in outcomes.indices {
            if outcomes[index].isOpen { outcomes[index].result = .failure(failure) }
        }
    }

    private func askByUDP(
        _ queries: [Query], _ outcomes: inout [Outcome], truncated: inout [Int]
    ) throws(SystemError) {
        let socket = try Socket.connectDatagram(to: server)
        let deadline = min(end, .after(patience))
        for query in queries { _ = try Socket.send(socket.raw, query.packet[...]) }
        var open = queries.count
        while open > 0, !deadline.hasPassed {
            guard try Poll.wait(socket.raw, for: .reading, until: deadline) else { return }
            guard let packet = try Socket.receive(socket.raw, upTo: 65535) else { continue }
            guard let index = queries.firstIndex(where: { Self.answers(packet, $0) }),
                outcomes[index].isOpen
            else { continue }
            outcomes[index].result = .success(packet)
            open -= 1
            if packet[2] & 0x02 != 0 { truncated.append(index) }
        }
    }

    private func askByTCP(
        _ queries: [Query], _ places: [Int], _ outcomes: inout [Outcome]
    ) throws(StreamError) {
        let deadline = min(end, .after(patience))
        let socket: Descriptor
        do throws(SystemError) { socket = try Socket.connect(to: server, by: deadline) } catch {
            throw StreamError(error)
        }
        let stream = ByteStream(input: socket.raw, output: socket.raw, patience: patience, end: deadline)
        for query in queries {
            try stream.write(
                [UInt8(query.packet.count >> 8), UInt8(query.packet.count & 255)] + query.packet)
        }
        var open = queries.count
        while open > 0 {
            guard let packet = try Self.message(from: stream) else { throw .disconnected }
            guard let index = queries.firstIndex(where: { Self.answers(packet, $0) }),
                outcomes[places[index]].isOpen
            else { continue }
            outcomes[places[index]].result = .success(packet)
            open -= 1
        }
    }

    /// The next message of a connection (RFC 7766 §8: its length in front); nil at its end.
    static func message(from stream: ByteStream) throws(StreamError) -> [UInt8]? {
        while true {
            let bytes = stream.buffered
            if bytes.count >= 2 {
                let size = Int(bytes[bytes.startIndex]) << 8 | Int(bytes[bytes.startIndex + 1])
                if bytes.count >= size + 2 {
                    let packet = Array(bytes.dropFirst(2).prefix(size))
                    stream.consume(size + 2)
                    return packet
                }
            }
            if try !stream.fill() { return nil }
        }
    }

    /// Whether a packet is an answer to this query. Servers that understand nothing of a query leave its question
    /// out of their error (RFC 6891 §7 says FORMERR; NOTIMP and others are met).
    static func answers(_ packet: [UInt8], _ query: Query) -> Bool {
        guard packet.count >= 12, packet[0] == UInt8(query.id >> 8), packet[1] == UInt8(query.id & 255),
            packet[2] & 0xF8 == 0x80
        else { return false }
        var cursor = Cursor(packet)
        guard let count = try? cursor.questionCount() else { return false }
        if count == 0 { return ![0, 3].contains(packet[3] & 15) }
        return count == 1 && (try? cursor.question()) == query.question
    }

    static func failure(_ error: StreamError) -> LookupFailure {
        switch error {
        case .timedOut: .timedOut
        case .system(let error): failure(error)
        default: .unable("end of file")
        }
    }

    private static func failure(_ error: SystemError) -> LookupFailure {
        switch error.code {
        case .connectionRefused: .connectionRefused
        case .timedOut: .timedOut
        case .networkUnreachable: .unable("network unreachable")
        case .hostUnreachable: .unable("host unreachable")
        default: .unable("\(error.code)")
        }
    }
}
