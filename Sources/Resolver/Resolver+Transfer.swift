package import Unix

extension Resolver {
    /// Asks for a whole zone over TCP (RFC 5936 §2.2): each message of it, with its size, as it comes. The zone begins
    /// and ends with its SOA record; a message with an error code is the last one.
    package func transfer(
        _ question: Question, from server: SocketAddress, by deadline: Deadline,
        each: (DNSMessage, Int) -> Void
    ) throws(LookupFailure) {
        var random = Randomness()
        let id = UInt16.random(in: 0...UInt16.max, using: &random)
        let packet = question.encoded(
            id: id, Question.Style(isExtended: false, wantsRecursion: false))
        do throws(StreamError) {
            let socket: Descriptor
            do throws(SystemError) {
                socket = try Socket.connect(to: server, by: min(deadline, .after(patience)))
            } catch { throw StreamError(error) }
            let stream = ByteStream(input: socket.raw, output: socket.raw, patience: patience, end: deadline)
            try stream.write([UInt8(packet.count >> 8), UInt8(packet.count & 255)] + packet)
            var ends = 0
            while ends < 2 {
                guard let bytes = try Exchange.message(from: stream) else { throw .disconnected }
                guard let message = try? DNSMessage(bytes), message.id == id, message.isResponse else {
                    throw .disconnected
                }
                each(message, bytes.count)
                guard message.code == .noError, let last = message.answers.last else { return }
                ends += message.answers.filter { $0.type == .soa }.count
                if ends < 2, last.type == .soa, message.answers.count > 1 { return }
            }
        } catch { throw Exchange.failure(error) }
    }
}
