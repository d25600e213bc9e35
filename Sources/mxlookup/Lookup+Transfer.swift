import Bytes
import Program
import Resolver
import Unix

extension Lookup {
    /// What is in a zone, message by message as the server sends it (RFC 5936 §2.2).
    func transfer() -> Outcome {
        guard let (question, asked) = question(.axfr), let resolver = resolverWithServers() else {
            return .notFound
        }
        // An address names no zone: its name is asked for.
        guard question.type == .axfr else { return records() }
        if isVerbose { say(HostWording.trying(question)) }
        var isFirst = true
        var failed = false
        for name in resolver.servers {
            let start = Deadline.monotonicMicroseconds()
            do throws(LookupFailure) {
                try resolver.transfer(question, from: name, by: .after(resolver.patience * 4)) {
                    message, size in
                    if isFirst, let server { say(HostWording.heading(server: shown(server), name)) }
                    isFirst = false
                    if message.code != .noError {
                        say(HostWording.text(of: message, to: question, asked: asked))
                        failed = true
                    } else if isVerbose {
                        say(
                            HostWording.whole(
                                message, shows: lists,
                                showsQuestions: [.everything, .almostEverything].contains(listed)))
                    } else {
                        say(message.answers.filter(lists).map { HostWording.line($0) }.joined())
                    }
                    if isVerbose {
                        let took = (Deadline.monotonicMicroseconds() - start) / 1000
                        say(HostWording.received(size, from: name, after: took))
                    }
                }
                if failed { say(HostWording.transferFailed) }
                return failed ? .notFound : .found
            } catch {
                say(HostWording.text(of: Resolver.Trouble(server: name, failure: error)))
                if !isFirst {
                    say(HostWording.transferFailed)
                    return .notFound
                }
            }
        }
        say(HostWording.nobodyReached)
        return .notFound
    }

    private func lists(_ record: ResourceRecord) -> Bool {
        switch listed {
        case .hosts: [.a, .aaaa, .ns, .ptr].contains(record.type)
        case .only(let type): record.type == type
        case .everything: true
        case .almostEverything: !HostWording.isSignature(record.type)
        }
    }
}
