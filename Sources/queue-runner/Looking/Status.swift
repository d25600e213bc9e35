import Bytes
import Checking
import Program
import Queue
import Running
import Unix

/// `--status`: what a monitor wants to know of the queue, and what an operator should look into.
struct Status {
    let now: Time
    let hostname: String
    let census: QueueCensus
    let failing: FailingSurvey
    let runners: [(sign: RunnerSign, isAtWork: Bool)]
    let freeBytes: Int
    /// What is not as it should be, in words.
    let troubles: [String]

    /// So many failing destinations are told of by name.
    static let mostDestinations = 20
    /// Cron starts a runner each minute; mail that is due for so long has none.
    private static let patience = Duration.seconds(600)

    init(of queue: QueueDirectory, _ configuration: Configuration, at now: Time = .now()) throws(QueueError) {
        self.now = now
        hostname = configuration.hostname
        census = try QueueCensus(of: queue, at: now)
        failing = try FailingSurvey(of: queue) { message, recipient in
            configuration.nextHop(
                of: recipient, from: message.envelope.reversePath, injectedBy: message.injector)
        }
        runners = try queue.runnerSigns().map { ($0, $0.isAtWork(at: now)) }
        let free = try? Path.freeSpace(configuration.queueDirectory)
        freeBytes = free.map { Int(clamping: $0.bytes) } ?? 0
        var troubles = runners.compactMap { Self.trouble(of: $0, $1, at: now) }
        if let since = census.dueSince, now - since > Self.patience,
            !runners.contains(where: { now - $0.sign.lastSign < Self.patience })
        {
            troubles.append(
                "mail is due since \(since.inWords(at: now)) and no runner came: queue-runner --check says why"
            )
        }
        if census[.corrupt].messages > 0 {
            troubles.append(
                "\(census[.corrupt].messages) in corrupt/: look at them, and at the log for the reason")
        }
        if free.map({ $0.bytes < UInt64(clamping: configuration.minimumFreeSpace) }) ?? false {
            troubles.append("mail is refused: \(sizeInWords(freeBytes)) free is less than minimum-free-space")
        }
        troubles += queue.passedOver.map {
            "\($0): what is in it waits; chown it to the queue's owner, or --verify"
        }
        let waiting = census.total.messages
        troubles += MissingServices.troubles(configuration, waiting: waiting)
        if waiting > 0 { troubles += Self.troubles(ofDeliverers: runners, besides: troubles, at: now) }
        self.troubles = troubles
    }

    /// What this host's runner said of the deliverers, where asking them tells nothing: one that is not who it must be
    /// answers, and gives back what it gets.
    private static func troubles(
        ofDeliverers runners: [(sign: RunnerSign, isAtWork: Bool)], besides known: [String], at now: Time
    ) -> [String] {
        guard let sign = runners.first(where: { $0.sign.host == Host.bareName })?.sign else { return [] }
        return [("local-deliver", sign.localTrouble), ("remote-deliver", sign.remoteTrouble)]
            .compactMap { program, trouble in
                let start = "mail for \(program) waits: "
                guard let trouble, !known.contains(where: { $0.hasPrefix(start) }) else { return nil }
                return "\(start)\(trouble) (the runner's words, \((now - sign.lastSign).inWords) ago)"
            }
    }

    private static func trouble(of sign: RunnerSign, _ isAtWork: Bool, at now: Time) -> String? {
        let silence = now - sign.lastSign
        guard isAtWork, silence > RunnerSign.deadAfter else { return nil }
        return "the runner of \(sign.host), process \(sign.process), has given no sign for \(silence.inWords)"
    }

    /// So that a monitor need not read: 69 when something is to be looked into.
    var exitStatus: ExitStatus { troubles.isEmpty ? .ok : .unavailable }

    /// Those for whom most messages wait.
    var worst: ArraySlice<FailingSurvey.Entry> { failing.entries.prefix(Self.mostDestinations) }
}

extension QueueCensus.State {
    var key: StaticString {
        switch self {
        case .incoming: "incoming"
        case .active: "active"
        case .deferred: "deferred"
        case .held: "held"
        case .corrupt: "corrupt"
        case .trash: "trash"
        }
    }

    var name: String { key.description }
}

// MARK: - For people

extension Status {
    var text: String { counts + "\n" + destinations + runnerLines + conclusion }

    private var counts: String {
        let total = census.total
        var text = "\(hostname): \(total.messages) message\(total.messages == 1 ? "" : "s"), "
        text += "\(sizeInWords(total.bytes)); \(sizeInWords(freeBytes)) free\n\n"
        text += "            messages        size  oldest\n"
        for state in QueueCensus.State.allCases {
            let tally = census[state]
            let oldest = tally.oldest.map { (now - $0).inWords } ?? "-"
            text += "  \(state.name.padded(to: 8)) \("\(tally.messages)".rightAligned(in: 9))"
            text += " \(sizeInWords(tally.bytes).rightAligned(in: 11))  \(oldest)\n"
        }
        text += "\n  by age:"
        for (index, count) in census.ages.enumerated() {
            let isLast = index == QueueCensus.ageBounds.count
            let bound = isLast ? "older" : "under \(QueueCensus.ageBounds[index].inWords)"
            text += " \(count) \(bound)\(isLast ? "\n" : ",")"
        }
        if let next = census.nextAttempt { text += "  next attempt \(next.inWords(at: now))\n" }
        return text
    }

    private var destinations: String {
        guard !failing.entries.isEmpty else { return "no destination is failing\n" }
        var text = "failing destinations: \(failing.entries.count)\n"
        for entry in worst {
            text += "  \(entry.domain.escaped()): \(failing.isComplete ? "" : "at least ")\(entry.waiting) "
            text += "message\(entry.waiting == 1 ? " waits" : "s wait"); "
            text +=
                "since \(entry.state.since.inWords(at: now)); next attempt \(entry.state.next.inWords(at: now))\n"
            text += "    \(Array(entry.state.text.utf8).escaped(limit: 300))\n"
        }
        let more = failing.entries.count - worst.count
        return more > 0 ? text + "  and \(more) more\n" : text
    }

    private var runnerLines: String {
        if runners.isEmpty { return "no runner has ever worked here\n" }
        return runners.map { sign, isAtWork in
            let silence = (now - sign.lastSign).inWords
            return isAtWork
                ? "runner of \(sign.host): at work, process \(sign.process), last sign \(silence) ago\n"
                : "runner of \(sign.host): none now, last sign \(silence) ago\n"
        }.joined()
    }

    private var conclusion: String {
        troubles.isEmpty ? "all is well\n" : troubles.map { "trouble: \($0)\n" }.joined()
    }
}
