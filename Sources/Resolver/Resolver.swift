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
    /// Whether servers are told how much fits, by EDNS (RFC 6891). Those that do not know it say that they do not
    /// understand, or nothing; they are asked again without.
    package var usesEDNS = true
    /// Whether the first server that answers at all has the last word.
    package var stopsAtFailure = false
    /// Whether servers are asked to ask others.
    package var wantsRecursion = true

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
        package let message: DNSMessage
        package let server: SocketAddress
        /// Of the message.
        package var size = 0
        /// Whether it came by TCP because it did not fit.
        package var wasTruncated = false
    }

    /// One server's failing, for those who want to tell it.
    package struct Trouble: Equatable {
        package let server: SocketAddress
        package let failure: LookupFailure
        /// What came, if it was no message.
        package let packet: [UInt8]

        package init(server: SocketAddress, failure: LookupFailure, packet: [UInt8] = []) {
            self.server = server
            self.failure = failure
            self.packet = packet
        }
    }

    /// Asks all questions at once. Those that a server does not answer, or answers with SERVFAIL, go to
    /// the next one; the last failure stands.
    package func ask(
        _ questions: [Question], by deadline: Deadline, onTrouble: (Trouble) -> Void = { _ in }
    ) -> [Result<Reply, LookupFailure>] {
        var results = [Result<Reply, LookupFailure>](
            repeating: .failure(.noServer), count: questions.count)
        var open = Array(questions.indices)
        for number in 0..<max(1, rounds) {
            for server in servers where !open.isEmpty && !deadline.hasPassed {
                // Who said nothing to EDNS may say something without.
                let replies = round(
                    open.map { questions[$0] }, server: server, by: deadline,
                    isExtended: usesEDNS && number == 0)
                var stillOpen: [Int] = []
                for (index, reply) in zip(open, replies) {
                    results[index] = reply.result
                    guard case .failure(let failure) = reply.result else {
                        if reply.wantsNextServer, !stopsAtFailure { stillOpen.append(index) }
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

        /// Whether it may be an answer to the OPT record rather than to the question: from a server that shows none
        /// itself, or knows another version (RFC 6891 §6.1.3, §7).
        var mayBeForEDNS: Bool {
            switch result {
            case .failure(.malformed): true
            case .failure: false
            case .success(let reply):
                reply.message.code == .badVersion
                    || reply.message.opt == nil
                        && [.formatError, .serverFailure, .notImplemented].contains(reply.message.code)
            }
        }
    }

    private func round(
        _ questions: [Question], server: SocketAddress, by deadline: Deadline, isExtended: Bool
    ) -> [RoundReply] {
        var replies = exchange(questions, server, deadline, isExtended: isExtended)
        guard isExtended else { return replies }
        let again = replies.indices.filter { replies[$0].mayBeForEDNS }
        let plain =
            again.isEmpty ? [] : exchange(again.map { questions[$0] }, server, deadline, isExtended: false)
        for (index, reply) in zip(again, plain) {
            if case .success = reply.result { replies[index] = reply }
        }
        return replies
    }

    private func exchange(
        _ questions: [Question], _ server: SocketAddress, _ deadline: Deadline, isExtended: Bool
    ) -> [RoundReply] {
        var random = Randomness()
        // Answers are told apart by id: no two of one round may be equal.
        var ids: Set<UInt16> = []
        while ids.count < questions.count { ids.insert(UInt16.random(in: 0...UInt16.max, using: &random)) }
        let style = Question.Style(isExtended: isExtended, wantsRecursion: wantsRecursion)
        let queries = zip(questions, ids).map {
            Query(question: $0, id: $1, packet: $0.encoded(id: $1, style))
        }
        return Exchange(server: server, patience: patience, end: deadline).ask(queries, byTCP: byTCP)
            .map { read($0, from: server) }
    }

    private func read(
        _ packet: Exchange.Outcome, from server: SocketAddress
    ) -> RoundReply {
        switch packet.result {
        case .failure(let failure): return RoundReply(result: .failure(failure))
        case .success(let bytes):
            do throws(SyntaxError) {
                let message = try DNSMessage(bytes)
                return RoundReply(
                    result: .success(
                        Reply(
                            message: message, server: server, size: bytes.count,
                            wasTruncated: packet.cameByTCP)))
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
        for _ in 0..<DNSMessage.longestAliasChain where !open.isEmpty {
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
