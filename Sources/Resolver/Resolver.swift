import Bytes
package import Unix

/// Asks name servers, each in turn and round after round, until one gives an answer that counts.
///
/// Fails as `LookupFailure` per question; never by a trap, and never later than the deadline it was given,
/// whatever a server or a stranger sends.
package struct Resolver {
    package var servers: [SocketAddress]
    /// How long one server may take for one round.
    package var patience: Duration
    /// How often the list of servers is gone through.
    package var rounds: Int
    package var byTCP: Bool

    package init(
        servers: [SocketAddress], patience: Duration = .seconds(5), rounds: Int = 2, byTCP: Bool = false
    ) {
        self.servers = servers
        self.patience = patience
        self.rounds = rounds
        self.byTCP = byTCP
    }

    /// A reply, and who gave it.
    package struct Reply: Equatable {
        package let message: Message
        package let server: SocketAddress
    }

    /// One server's failing, for those who want to tell it.
    package struct Trouble: Equatable {
        package let server: SocketAddress
        package let failure: LookupFailure
        /// What came, if it was no message.
        package let packet: [UInt8]
    }

    /// Asks all questions at once. Those that a server does not answer, or answers with SERVFAIL, go to
    /// the next one; the last failure stands.
    package func ask(
        _ questions: [Question], by deadline: Deadline, onTrouble: (Trouble) -> Void = { _ in }
    ) -> [Result<Reply, LookupFailure>] {
        var results = [Result<Reply, LookupFailure>](
            repeating: .failure(.noServer), count: questions.count)
        var open = Array(questions.indices)
        for _ in 0..<max(1, rounds) {
            for server in servers where !open.isEmpty && !deadline.hasPassed {
                let replies = round(open.map { questions[$0] }, server: server, by: deadline)
                var stillOpen: [Int] = []
                for (index, reply) in zip(open, replies) {
                    results[index] = reply.result
                    guard case .failure(let failure) = reply.result else {
                        if reply.wantsNextServer { stillOpen.append(index) }
                        continue
                    }
                    onTrouble(Trouble(server: server, failure: failure, packet: reply.packet))
                    stillOpen.append(index)
                }
                open = stillOpen
            }
            // Another round is for servers that were silent; who answered would say the same again.
            open.removeAll { index in
                switch results[index] {
                case .success, .failure(.malformed): true
                case .failure: false
                }
            }
        }
        return results
    }

    private struct RoundReply {
        var result: Result<Reply, LookupFailure>
        var packet: [UInt8] = []

        var wantsNextServer: Bool {
            guard case .success(let reply) = result else { return true }
            return ![.noError, .noSuchDomain].contains(reply.message.code)
        }
    }

    private func round(
        _ questions: [Question], server: SocketAddress, by deadline: Deadline
    ) -> [RoundReply] {
        var random = Randomness()
        // c-ares tells answers apart by id: no two of one round may be equal.
        var ids: Set<UInt16> = []
        while ids.count < questions.count { ids.insert(UInt16.random(in: 0...UInt16.max, using: &random)) }
        let packets = zip(questions, ids).map { (packet: $0.encoded(id: $1), id: $1) }
        do throws(LookupFailure) {
            let channel = try Channel(to: server, patience: patience, byTCP: byTCP)
            let limit = min(deadline, .after(patience))
            return zip(questions, channel.ask(packets, by: limit)).map { read($1, for: $0, from: server) }
        } catch {
            return questions.map { _ in RoundReply(result: .failure(error)) }
        }
    }

    private func read(
        _ packet: Result<[UInt8], LookupFailure>, for question: Question, from server: SocketAddress
    ) -> RoundReply {
        switch packet {
        case .failure(let failure): return RoundReply(result: .failure(failure))
        case .success(let bytes):
            do throws(SyntaxError) {
                let message = try Message(bytes)
                return RoundReply(result: .success(Reply(message: message, server: server)))
            } catch {
                return RoundReply(result: .failure(.malformed(error)), packet: bytes)
            }
        }
    }

    /// What is known about each question, aliases followed to their end even where a server answers for its
    /// own zone only. All questions travel together.
    package func lookUp(_ questions: [Question], by deadline: Deadline) -> [Answer] {
        var current = questions
        var answers = [Answer](repeating: .failed(.aliasLoop), count: questions.count)
        var open = Array(questions.indices)
        for _ in 0..<Message.longestAliasChain where !open.isEmpty {
            let replies = ask(open.map { current[$0] }, by: deadline)
            var stillOpen: [Int] = []
            for (index, reply) in zip(open, replies) {
                switch reply {
                case .failure(let failure): answers[index] = .failed(failure)
                case .success(let reply):
                    let answer = reply.message.answer(to: current[index])
                    if case .alias(let target) = answer {
                        current[index] = Question(target, current[index].type)
                        stillOpen.append(index)
                    } else {
                        answers[index] = answer
                    }
                }
            }
            open = stillOpen
        }
        return answers
    }
}
