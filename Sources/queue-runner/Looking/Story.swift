import Accounts
import Bytes
import Program
import Queue
import Unix

/// `--why`: the whole story of a message, for the operator who is asked what became of it.
struct Story {
    private let message: QueuedMessage
    private let events: [LogEvent]
    private let states: RecipientStates
    private let isActive: Bool
    private let configuration: Configuration
    private let now: Time
    private var reasons: Reasons

    init(
        of message: QueuedMessage, in queue: QueueDirectory, _ configuration: Configuration,
        at now: Time = .now()
    ) throws(QueueError) {
        self.message = message
        self.configuration = configuration
        self.now = now
        events = try queue.history(of: message)
        states = RecipientStates(events)
        isActive = try queue.activeInodes().contains(message.inode)
        reasons = try Reasons(queue, configuration)
    }

    /// What is to be said of an id that is not in the queue.
    static func ofUnknown(_ id: MessageID, _ configuration: Configuration) -> String {
        let place =
            switch configuration.log {
            case .file(let path): "grep \(id) \(path)"
            case .syslog: "journalctl -g \(id), or grep \(id) /var/log/mail.log"
            case .stderr, .none: "but `log` in relais.conf says that none is kept"
            }
        return
            "\(id): not in the queue (any more): delivered, returned or removed; the log tells which: \(place)"
    }

    mutating func write(to output: OutputBuffer) {
        output.write(heading)
        for number in message.envelope.recipients.indices.map({ $0 + 1 }) {
            guard !output.hasFailed else { return }
            output.write("\n" + story(of: number))
        }
        output.write("\n" + advice)
    }

    // MARK: The message

    private var heading: String {
        let sender = message.envelope.reversePath
        let from = sender.isEmpty ? "<> (a report that nobody answers for)" : "<\(sender.escaped())>"
        let account = (try? configuration.systemAccounts.account(withID: message.injector)) ?? nil
        var text = "\(message.id): \(sizeInWords(message.head.length)) from \(from)\n"
        text +=
            "  accepted \(message.arrival.inWords(at: now)), from \(account?.name ?? "user id \(message.injector)")\n"
        if let warning = events.first(where: { $0.kind == .warned }) {
            text += "  sender warned of the delay \(warning.time.inWords(at: now)): \(warning.text)\n"
        }
        return text + "  \(whereabouts)\n"
    }

    private var whereabouts: String {
        switch message.place {
        case _ where isActive: return "being delivered at this moment"
        case .incoming:
            return "in incoming/: due; a runner takes it up with the next kick, or when cron starts one"
        case .hold: return "on hold: nothing happens to it until it is released"
        case .corrupt:
            return "set aside in corrupt/ as damaged or hostile; the log says why: it is never delivered"
        case .trash(let minute, let wasHeld):
            return
                "removed by the operator\(wasHeld ? " while it was on hold" : ""): in the trash, gone for good "
                + Time(seconds: minute * 60).inWords(at: now)
        case .deferred(let minute):
            return
                "waits in deferred/\(minute); next attempt \(Time(seconds: minute * 60).inWords(at: now)); "
                + "returned to its sender if not delivered by \((message.arrival + configuration.queueLifetime).inWords)"
        }
    }

    // MARK: A recipient

    private mutating func story(of number: Int) -> String {
        let recipient = message.envelope.recipients[number - 1]
        var text = "<\(recipient.address.escaped())>: \(standing(of: number))\n"
        if let route = recipient.route(injectedBy: message.injector) {
            text += "  goes by way of \(route.escaped()), as the operator said\n"
        } else if let domain = recipient.domain, !configuration.isLocal(domain: domain),
            let line = configuration.relayHost.line(for: domain[...], from: message.envelope.reversePath)
        {
            text += "  goes as relay-host says: \(Array(line.text.utf8).escaped(limit: 300))\n"
        }
        for event in events where event.recipient == number { text += "  \(sentence(for: event))\n" }
        if states.isOpen(number),
            let trouble = reasons.deliverer(of: recipient, in: message, states.last[number])
        {
            text += "  is due, and nobody can be had to deliver it:\n    "
            text += "\(Array(trouble.utf8).escaped(limit: 1000))\n"
        }
        if states.isOpen(number), let state = reasons.destination(of: recipient, in: message) {
            text +=
                "  its destination has been failing since \(state.since.inWords(at: now)); "
                + "\(times(state.failures, "attempt")) failed; the next \(state.next.inWords(at: now)); "
                + "all mail for it waits for that\n"
                + "    it said: \(Array(state.text.utf8).escaped(limit: 1000))\n"
        }
        return text
    }

    private func standing(of number: Int) -> String {
        guard let last = states.last[number] else { return "not tried yet" }
        return switch last.kind {
        case .delivered: "delivered"
        case .failed: "failed for good; the sender is about to be told"
        case .settled: "failed for good; the sender was told, unless there is none or it asked not to be"
        case .deferred:
            "waits after \(times(states.attempts[number] ?? 0, "attempt")); next attempt \(last.next.inWords(at: now))"
        case .succeeded, .relayed, .expanded: "delivered; the sender, who asked for it, is about to be told"
        case .removed, .warned: "removed"
        }
    }

    private func sentence(for event: LogEvent) -> String {
        let text = Array(event.text.utf8).escaped(limit: 1000)
        let what =
            switch event.kind {
            case .delivered: "delivered"
            case .succeeded: "delivered, to be reported"
            case .relayed: "relayed, to be reported"
            case .expanded: "expanded, to be reported"
            case .warned: "sender warned"
            case .deferred: "deferred"
            case .failed: "failed"
            case .settled: "sender told of"
            case .removed: "removed"
            }
        let next = event.kind == .deferred ? "; next attempt \(event.next.inWords)" : ""
        return "\(event.time.inWords)  \(what) \(event.status) (\(text))\(next)"
    }

    private func times(_ count: Int, _ noun: String) -> String { "\(count) \(noun)\(count == 1 ? "" : "s")" }

    // MARK: What can be done

    private var advice: String {
        let id = message.id
        let lines =
            switch message.place {
            case _ where isActive: ["wait for the outcome: queue-runner --why \(id)"]
            case .hold:
                ["let it go on: queue-runner --release \(id)", "throw it away: queue-runner --remove \(id)"]
            case .corrupt: ["look at it: \(configuration.queueDirectory)/corrupt/\(id)"]
            case .trash:
                [
                    "bring it back: queue-runner --undo \(id)",
                    "remove it for good: queue-runner --purge \(id)",
                ]
            case .incoming, .deferred:
                [
                    "try it now: queue-runner --retry \(id)", "park it: queue-runner --hold \(id)",
                    "look into it: queue-runner --show \(id)",
                    "throw it away: queue-runner --remove \(id)",
                    "send it back to its sender: queue-runner --return \(id)",
                ]
            }
        return "What you can do:\n" + lines.map { "  \($0)\n" }.joined()
    }
}
