import Bytes
import Jobs
import Recipients
import Mail
package import Program
package import Queue
package import Reception
import Unix

/// What follows from a report: the line in the message's log and in the host's, the next attempt, the
/// forwarded copy, the bounce, the end.
package final class Settlement {
    private(set) var schedule: RetrySchedule
    private var configuration: Configuration
    private let queue: QueueDirectory
    private let log: Log
    private let activity: Activity
    private let notifier: Notifier
    private let clock: any RunnerClock
    private let filters: [any Filter]
    private let began: Time
    /// Messages for which something was done that could not be written down.
    private var unrecorded: Set<MessageID> = []

    package init(
        _ configuration: Configuration, queue: QueueDirectory, log: Log, activity: Activity,
        clock: any RunnerClock = SystemClock(), filters: [any Filter] = []
    ) {
        self.configuration = configuration
        self.queue = queue
        self.log = log
        self.activity = activity
        self.clock = clock
        self.filters = filters
        began = clock.now
        notifier = Notifier(
            configuration, queue: queue, log: log, activity: activity, clock: clock, filters: filters)
        schedule = RetrySchedule(configuration)
    }

    func reconfigure(_ configuration: Configuration) {
        self.configuration = configuration
        notifier.reconfigure(configuration)
        schedule = RetrySchedule(configuration)
    }

    /// The line that begins an attempt.
    func announce(_ work: Work) {
        let message = work.message
        activity.begins(message)
        log.info(
            "\(message.id): from=<\(message.envelope.reversePath.escapedInAngles())>, size=\(message.head.length), "
                + "nrcpt=\(message.envelope.recipients.count) (queue active)")
    }

    /// Whether nobody before this process can have worked on it, and all that was done for it is known. A clock that was set back is
    /// no witness.
    func isOwn(_ message: ClaimedMessage, at now: Time) -> Bool {
        began <= message.arrival && message.arrival <= now && !unrecorded.contains(message.id)
    }

    // MARK: One recipient

    /// Takes over what a deliverer says of one recipient.
    func settle(_ answer: Report, of work: Work, over session: DelivererSession) {
        let text = String(decoding: answer.text, as: UTF8.self)
        let status = "\(answer.status)"
        switch answer.verdict {
        case .delivered:
            let kind = notifier.kind(
                session.destination.isLocal ? .succeeded : .delivered, answer.recipient, of: work)
            record(kind, answer.recipient, of: work, status, text)
        case .failed:
            if let answerable = answer.answerable { tell(answerable, answer, of: work) }
            record(.failed, answer.recipient, of: work, status, text)
        case .deferred: postpone(answer.recipient, of: work, status: status, text, quietly: true)
        case .relayed:
            let host = answer.relay.prefix { $0 != .ascii("]") } + [.ascii("]")]
            let kind = notifier.kind(.relayed, answer.recipient, of: work)
            let reply = RemoteReply(host: Array(host), reply: answer.text).text
            record(
                kind, answer.recipient, of: work, status,
                kind == .relayed ? String(decoding: reply, as: UTF8.self) : text)
        case .forwarded: forward(answer, of: work)
        }
        let relay = String(decoding: answer.relay, as: UTF8.self)
        logDelivery(
            answer.recipient, of: work, relay: relay,
            timing: Timing(
                started: session.started, connecting: answer.connecting, transmitting: answer.transmitting))
    }

    func forward(_ answer: Report, of work: Work) {
        guard let forward = answer.forward else { return }
        do throws(ReceptionFailure) {
            var ids: [String] = []
            var kind = LogEvent.Kind.delivered
            for (number, copy) in forward.copies.enumerated() {
                let wanted = uncovered(copy.recipients, of: answer.recipient, work)
                guard !wanted.isEmpty else { continue }
                let road = road(of: copy, alone: forward.count == 1, work)
                let id = try inject(
                    .init(reversePath: copy.reversePath, recipients: wanted), number, under: forward.header,
                    by: road, for: answer.recipient, of: work)
                work.coverage?.note(wanted)
                ids.append("\(id)")
                if road != .single, kind != .succeeded { kind = road == .list ? .succeeded : .expanded }
            }
            let text =
                ids.isEmpty ? "all that it leads to have it" : "forwarded as \(ids.joined(separator: ", "))"
            record(
                notifier.kind(kind, answer.recipient, of: work), answer.recipient, of: work,
                "\(answer.status)", text)
        } catch {
            let text = "cannot forward: \(error)"
            switch error {
            case .queue: postpone(answer.recipient, of: work, status: "4.3.0", text, quietly: true)
            case .rejected(let why) where why.isPermanent:
                record(.failed, answer.recipient, of: work, "\(why.status)", text)
            case .rejected(let why):
                postpone(answer.recipient, of: work, status: "\(why.status)", text, quietly: true)
            }
        }
    }

    /// Who of them does not have the message, or get it, otherwise.
    private func uncovered(_ recipients: [Successor], of recipient: Int, _ work: Work) -> [Successor] {
        let configuration = configuration
        let message = work.message
        let rules = RecipientRules(configuration)
        var coverage =
            work.coverage
            ?? Coverage(
                message.envelope.recipients.map { recipient in
                    let believed = recipient.believed(injectedBy: message.injector)
                    return Successor(believed.address, Successor.Meaning(believed.parameters))
                },
                isLocal: rules.isLocal, sharesUsers: rules.sharesUsers)
        work.coverage = coverage
        func isAlias(_ address: RecipientAddress) -> Bool {
            // Where it cannot be told, twice is better than never.
            do throws(LookupFailure) {
                return try rules.alias(rules.aliasNames(address.localPart, at: address.domain)) != nil
            } catch { return true }
        }
        var wanted: [Successor] = []
        for successor in recipients where !coverage.covers(successor, of: recipient, isAlias: isAlias) {
            wanted.append(successor)
            coverage.note([successor])
        }
        return wanted
    }

    /// A list is what has an owner of its own; a mailbox beside a single address changes nothing (RFC 3461
    /// §5.2.7.3, case (b)).
    private func road(of copy: Report.Forward.Copy, alone: Bool, _ work: Work) -> ForwardedWishes.Road {
        if let owner = copy.reversePath, owner != work.message.envelope.reversePath { return .list }
        return alone ? .single : .several
    }

    private func record(
        _ kind: LogEvent.Kind, _ recipient: Int, of work: Work, _ status: String, _ text: String
    ) {
        work.record(LogEvent(time: clock.now, recipient: recipient, kind: kind, status: status, text: text))
    }

    /// Not yet: sets the next attempt, or gives the recipient up when the message's life is over.
    func postpone(_ recipient: Int, of work: Work, status: String, _ text: String, quietly: Bool = false) {
        let now = clock.now
        let next = schedule.next(
            afterFailures: work.failures(of: recipient), arrival: work.message.arrival, now: now)
        if let next {
            work.record(
                LogEvent(
                    time: now, recipient: recipient, kind: .deferred, status: status, next: next, text: text))
        } else {
            record(
                .failed, recipient, of: work, "5.4.7", "\(Bounce.expired)\(text)")
        }
        if !quietly { logDelivery(recipient, of: work, relay: "none", timing: nil) }
    }

    /// Not tried, because the destination is failing. Nothing is written down for it, unless its own time is
    /// later: the destination's file says why, and the message's bucket until when. The failed attempt that showed it counts when
    /// the message's life is over.
    func suspend(_ recipient: Int, of work: Work, by state: FailingDestination) {
        let reason = "delivery temporarily suspended: \(state.text)"
        let now = clock.now
        guard schedule.next(afterFailures: 1, arrival: work.message.arrival, now: now) != nil else {
            return postpone(recipient, of: work, status: "4.4.1", reason)
        }
        // Asked for before its own time: that is not what it is to wait for.
        if let last = work.states[recipient], last.next > state.next {
            work.record(
                LogEvent(
                    time: now, recipient: recipient, kind: .deferred, status: "4.4.1", next: state.next,
                    text: reason))
        }
        work.suspended[recipient] = state
        logDeferral(recipient, of: work, reason)
    }

    /// Not tried, because there is nobody to hand it to. Nothing is written down for it and no time set: the message
    /// stays due. `quietly`: the log has it already, of others.
    func withhold(_ recipient: Int, of work: Work, _ reason: String, quietly: Bool = false) {
        work.withheld.insert(recipient)
        guard !quietly else { return }
        logOutcome(
            LogEvent(time: clock.now, recipient: recipient, kind: .deferred, status: "4.3.5", text: reason),
            of: work, relay: "none", timing: nil)
    }

    /// The operator's word: for good.
    package func giveUp(_ recipient: Int, of work: Work, _ reason: String) {
        record(.failed, recipient, of: work, "5.0.0", reason)
        logDelivery(recipient, of: work, relay: "none", timing: nil)
    }

    /// Tells the sender what is owed to him; whether anybody was told.
    package func tell(_ work: Work) throws(QueueError) -> Bool { try notifier.tell(work) }

    func writeDown(_ work: Work) {
        do throws(QueueError) { try work.writeDown(in: queue) } catch { complain(of: work.message.id, error) }
    }

    func complain(of id: MessageID, _ error: QueueError) {
        unrecorded.insert(id)
        log.error("\(id): \(error)")
    }

    private func logDeferral(_ recipient: Int, of work: Work, _ reason: String) {
        let now = clock.now
        logOutcome(
            LogEvent(time: now, recipient: recipient, kind: .deferred, status: "4.4.1", text: reason),
            of: work, relay: "none", timing: nil)
    }

    private struct Timing {
        let started: Time
        let connecting: Int
        let transmitting: Int
    }

    /// Postfix's line: `ID: to=<…>, relay=…, delay=…, delays=a/b/c/d, dsn=…, status=… (…)`.
    private func logDelivery(_ recipient: Int, of work: Work, relay: String, timing: Timing?) {
        guard let event = work.states[recipient] else { return }
        logOutcome(event, of: work, relay: relay, timing: timing)
    }

    private func logOutcome(_ event: LogEvent, of work: Work, relay: String, timing: Timing?) {
        let address = work.recipient(event.recipient).address
        activity.outcome(event, of: address, work.message.id, relay: relay)
        let arrival = work.message.arrival
        let started = timing?.started ?? event.time
        let parts: [Int64] = [
            (work.claimed - arrival).microseconds, (started - work.claimed).microseconds,
            Int64(timing?.connecting ?? 0), Int64(timing?.transmitting ?? 0),
        ]
        let word =
            switch event.kind {
            case .delivered, .succeeded, .relayed, .expanded: "sent"
            case .deferred: "deferred"
            default: "bounced"
            }
        let text =
            event.kind == .relayed
            ? RemoteReply(Array(event.text.utf8)).map { String(decoding: $0.reply, as: UTF8.self) } : nil
        log.info(
            "\(work.message.id): to=<\(address.escapedInAngles())>, relay=\(relay), "
                + "delay=\(seconds((event.time - arrival).microseconds)), "
                + "delays=\(parts.map(seconds).joined(separator: "/")), dsn=\(event.status), "
                + "status=\(word) (\(text ?? event.text))")
    }

    /// Seconds with up to two decimals, as Postfix writes delays.
    private func seconds(_ microseconds: Int64) -> String {
        let hundredths = max(0, microseconds) / 10_000
        if hundredths % 100 == 0 { return String(hundredths / 100) }
        let rest = hundredths % 100
        return "\(hundredths / 100)." + (rest < 10 ? "0\(rest)" : String(rest % 10 == 0 ? rest / 10 : rest))
    }

    /// Whoever answers for an alias hears of its fault at once, before the failure is written down: what is written
    /// down is not done again.
    private func tell(_ answerable: [UInt8], _ answer: Report, of work: Work) {
        let event = LogEvent(
            time: clock.now, recipient: answer.recipient, kind: .failed, status: "\(answer.status)",
            text: String(decoding: answer.text, as: UTF8.self))
        do throws(QueueError) { try notifier.tell(answerable, event, of: work) } catch {
            complain(of: work.message.id, error)
        }
    }

    /// Puts a copy for the forwarding addresses into the queue. Its id derives from this message and
    /// recipient (and, behind the first, the copy's number), so that a repeated attempt does not make a second one.
    private func inject(
        _ copy: Report.Forward.Copy, _ number: Int, under header: [UInt8], by road: ForwardedWishes.Road,
        for recipient: Int, of work: Work
    ) throws(ReceptionFailure) -> MessageID {
        let message = work.message
        let suffix = number == 0 ? [] : Array("copy \(number)".utf8)
        let id = message.id.derived(recipient, of: suffix, at: message.arrival)
        let original = work.recipient(recipient)
        let wishes = ForwardedWishes.recipient(
            Parameters(kept: original.parameters), of: original.address, by: road)
        let envelope = Envelope(
            reversePath: copy.reversePath ?? message.envelope.reversePath,
            parameters: ForwardedWishes.mail(Parameters(kept: message.envelope.parameters), by: road).text,
            recipients: copy.recipients.map { successor in
                var parameters = wishes
                if let word = successor.meaning.text { parameters.add(RecipientParameters.expanded, word) }
                return Envelope.Recipient(successor.address, parameters: parameters.text)
            })
        // A deferral may be that of a copy before this one.
        let isFirst = work.states[recipient] == nil && work.isFirst(in: queue)
        let reception = Reception(configuration, from: .forward(of: message.id), through: filters)
        try reception.takeOnce(envelope, id, isFirst: isFirst, in: queue) { copy throws(QueueError) in
            copy.append(trace: header)
            try copy.append(message)
        }
        return id
    }

    // MARK: The whole message

    /// Lets a message be where it is, so that the next run finds it due: false. In `incoming/` all its recipients
    /// would be tried then, those too whose own time has not come: such a one goes to the next minute.
    private func keepDue(_ work: Work) throws(QueueError) -> Bool {
        _ = try notifier.warn(work)
        try work.log?.synchronize()
        let now = clock.now
        let hasOthers = work.open.contains { number in
            !work.withheld.contains(number) && (work.states[number]?.next ?? now) > now
        }
        guard work.message.place == .incoming, hasOthers else { return false }
        try queue.postpone(work.message, until: now, now: now)
        return true
    }

    /// After the last report of an attempt: tells the sender what failed, then ends the message or lets it
    /// wait. What fails here is logged, and the message stays where it is: false.
    func finish(_ work: Work) -> Bool {
        do throws(QueueError) {
            try work.writeDown(in: queue)
            if !work.owed.isEmpty { try notifier.tell(work) }
            if !work.withheld.isEmpty { return try keepDue(work) }
            if let next = work.nextAttempt {
                let warning = try notifier.warn(work)
                try work.log?.synchronize()
                try queue.postpone(work.message, until: min(next, warning ?? next), now: clock.now)
            } else if work.open.isEmpty, work.isUntold, configuration.trashLifetime > .zero {
                try queue.discard(
                    work.message, until: clock.now + configuration.trashLifetime, forgetting: work.log)
            } else if work.open.isEmpty {
                try queue.remove(work.message, log: work.log)
                unrecorded.remove(work.message.id)
                log.info("\(work.message.id): removed")
                activity.ends(work.message.id)
            }
            return true
        } catch {
            complain(of: work.message.id, error)
            return false
        }
    }
}
