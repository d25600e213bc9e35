import Bytes
import Mail
import Program
import Queue
import Reception
import Unix

/// Who is told what became of a message, and when: the sender as RFC 3461 §5 has it, the postmaster where
/// there is no sender, nobody where a report of a report fails.
final class Notifier {
    private var configuration: Configuration
    private let queue: QueueDirectory
    private let log: Log
    private let activity: Activity
    private let clock: any RunnerClock
    private let filters: [any Filter]

    init(
        _ configuration: Configuration, queue: QueueDirectory, log: Log, activity: Activity,
        clock: any RunnerClock, filters: [any Filter]
    ) {
        self.configuration = configuration
        self.queue = queue
        self.log = log
        self.activity = activity
        self.clock = clock
        self.filters = filters
    }

    func reconfigure(_ configuration: Configuration) { self.configuration = configuration }

    private func say(_ text: String) {
        log.info(text)
        activity.note(text)
    }

    /// How a success is written down: `kind`, if the sender is to hear of it (RFC 3461 §5.2.4).
    func kind(_ kind: LogEvent.Kind, _ recipient: Int, of work: Work) -> LogEvent.Kind {
        let isWanted =
            !work.message.envelope.reversePath.isEmpty
            && work.notify(recipient)?.contains(.success) == true
        return isWanted ? kind : .delivered
    }

    // MARK: What is done with

    /// Failures and successes are on disk before the report is made, and the report's id is derived from
    /// where they stand in the log: a crash between making and recording it makes no second one.
    /// Whether there was anybody to tell.
    @discardableResult
    func tell(_ work: Work) throws(QueueError) -> Bool {
        guard let messageLog = work.log else { return false }
        try messageLog.synchronize()
        let owed = work.owed
        // RFC 3461 §5.2.6: a failure is told unless NOTIFY leaves it out.
        let wanted = owed.filter {
            $0.kind != .failed || work.notify($0.recipient)?.contains(.failure) ?? true
        }
        var isTold = false
        if !wanted.isEmpty {
            isTold = try tell(work, wanted, number: 1_000_000 + messageLog.events.count)
        } else {
            say("\(work.message.id): nobody wants to know")
        }
        for event in owed {
            work.record(
                LogEvent(
                    time: clock.now, recipient: event.recipient,
                    kind: event.kind == .failed ? .settled : .delivered, status: event.status,
                    text: event.text))
        }
        try work.writeDown(in: queue)
        return isTold
    }

    private func tell(_ work: Work, _ events: [LogEvent], number: Int) throws(QueueError) -> Bool {
        let message = work.message
        let sender = message.envelope.reversePath
        // An attempt comes here once.
        let isFirst = !work.mayBeTold
        guard sender.isEmpty else {
            let hasFailed = events.contains { $0.kind == .failed }
            try inject(
                Bounce(of: work, telling: events, configuration: configuration), number, of: work,
                to: sender, for: .sender, isFirst: isFirst,
                saying: hasFailed
                    ? "sender non-delivery notification" : "sender delivery status notification")
            return true
        }
        let isLast =
            (try? MailParameters(Parameters(message.envelope.parameters)))?.isDoubleBounce ?? true
        guard !isLast, let postmaster = doubleBounceRecipient else {
            work.isUntold = true
            log.warning("\(message.id): undeliverable, and there is nobody to tell: it goes to the trash")
            return false
        }
        try inject(
            Bounce(of: work, telling: events, configuration: configuration), number, of: work,
            to: postmaster, for: .postmaster, isFirst: isFirst, saying: "postmaster non-delivery notification"
        )
        return true
    }

    private var reception: Reception { Reception(configuration, from: .report, through: filters) }

    private func inject(
        _ bounce: Bounce, _ number: Int, of work: Work, to recipient: [UInt8],
        for audience: DeliveryStatusNotification.Audience, isFirst: Bool = false, saying what: String
    ) throws(QueueError) {
        let id = work.message.id.derived(number, at: work.message.arrival)
        let verdict = queue.countSelfMade(at: clock.now, limit: configuration.bounceLimit)
        if verdict == .hold(isNew: true) { raiseAlarm(id) }
        let isHeld = verdict != .send
        let report = try bounce.report(id, to: recipient, for: audience)
        do throws(ReceptionFailure) {
            try reception.takeOnce(report.envelope, id, isFirst: isFirst, in: queue, held: isHeld) {
                message throws(QueueError) in
                message.append(report.head)
                try message.append(work.message, upTo: report.length)
                message.append(report.tail)
            }
        } catch {
            switch error {
            case .queue(let error): throw error
            // Nobody can be told of that.
            case .rejected: log.warning("\(work.message.id): \(what) is not sent: \(error)")
            }
            return
        }
        say("\(work.message.id): \(what): \(id)\(isHeld ? " (on hold: storm)" : "")")
    }

    /// Tells the operator, once a storm. That message must not depend on anybody's answer: what fails of it
    /// is only logged.
    private func raiseAlarm(_ id: MessageID) {
        log.warning(
            "storm: \(configuration.bounceLimit) reports within an hour; more are put on hold, the first is \(id)"
        )
        guard let postmaster = doubleBounceRecipient else { return }
        let alarm = StormAlarm(first: id, to: postmaster, configuration: configuration)
        do throws(ReceptionFailure) { try alarm.send(by: reception) } catch { log.error("storm: \(error)") }
    }

    /// Complete, in a domain that is surely ours; nil: nobody.
    private var doubleBounceRecipient: [UInt8]? {
        let recipient = configuration.doubleBounceRecipient
        if recipient.isEmpty { return nil }
        if recipient.utf8.contains(.ascii("@")) { return Array(recipient.utf8) }
        return Array("\(recipient)@\(configuration.ownDomain)".utf8)
    }

    /// Tells whoever answers for a list or alias of this host (the postmaster, where nobody is named) that it is at
    /// fault. Where there is no sender, the postmaster hears of it anyhow.
    func tell(_ answerable: [UInt8], _ event: LogEvent, of work: Work) throws(QueueError) {
        let sender = work.message.envelope.reversePath
        let owner = answerable.isEmpty ? doubleBounceRecipient : answerable
        guard !sender.isEmpty, let owner, owner != sender else { return }
        try inject(
            Bounce(of: work, telling: [event], configuration: configuration),
            Self.ownerNumber + event.recipient,
            of: work, to: owner, for: .owner, isFirst: work.isFirst(in: queue), saying: "owner notification")
    }

    private static let ownerNumber = 3_000_000

    // MARK: What waits

    /// Warns the sender, once, when the message has waited for long; when that is due, if it is not yet.
    func warn(_ work: Work) throws(QueueError) -> Time? {
        let message = work.message
        guard configuration.delayWarning > .zero, !message.envelope.reversePath.isEmpty, !work.isWarned
        else { return nil }
        let time = message.arrival + configuration.delayWarning
        // RFC 3461 §5.2.5: not where NOTIFY leaves it out.
        let waiting = work.open.filter { work.notify($0)?.contains(.delay) ?? true }
        guard !waiting.isEmpty else { return nil }
        // Give or take what is left of the minute, as with attempts.
        guard time <= clock.now + .seconds(60) else { return time }
        var text = "not sent: nobody reads it"
        if try !isBulk(message) {
            text = "sent"
            try inject(
                Bounce(
                    of: work, telling: waiting.map { delay($0, of: work) }, configuration: configuration),
                Self.warningNumber, of: work, to: message.envelope.reversePath, for: .sender,
                isFirst: work.isFirst(in: queue), saying: "sender delay notification")
        }
        work.record(LogEvent(time: clock.now, recipient: 0, kind: .warned, text: text))
        try work.writeDown(in: queue)
        return nil
    }

    private static let warningNumber = 2_000_000

    /// Why a recipient still waits. One that was never tried waits for its destination.
    private func delay(_ number: Int, of work: Work) -> LogEvent {
        if let state = work.states[number] { return state }
        return LogEvent(
            time: Time(microseconds: 0), recipient: number, kind: .deferred, status: "4.4.1",
            text: work.suspended[number]?.text ?? "")
    }

    /// What was sent to many, or by a program: nobody there waits for a warning.
    private func isBulk(_ message: ClaimedMessage) throws(QueueError) -> Bool {
        MessageHeader(toEmptyLine: try message.front(upTo: 65536)).isBulk
    }
}
