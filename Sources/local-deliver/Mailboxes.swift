import Accounts
import Bytes
import Delivery
import Mail
import MailStore
import Program
import Unix

/// The mailboxes of some letters: each is opened once, written for all of them, and made durable once.
struct Mailboxes {
    private let account: Account
    private let keptGroup: UInt32?
    private let hostname: String
    private let log: Log
    private var open: [(path: String, mailbox: Mailbox)] = []
    /// What `commit` gives, by ticket: where the letter went, and its number there.
    private var tickets: [(mailbox: Int, number: Int)] = []

    private enum Mailbox {
        case maildir(MaildirDelivery)
        /// With the failure that ended it: an mbox is cut back for all letters or for none.
        case mbox(MboxDelivery, failure: SystemError?)
    }

    init(account: Account, keptGroup: UInt32?, hostname: String, log: Log) {
        self.account = account
        self.log = log
        self.hostname = hostname
        self.keptGroup = keptGroup
    }

    /// Writes a letter into the mailboxes that its steps name, up to one that has to wait.
    mutating func stage(_ letter: Letter, _ steps: [AccountDelivery.Step]) -> [AccountDelivery.Step] {
        var steps = steps
        for index in steps.indices {
            guard case .mailbox(let path) = steps[index], !steps.contains(where: { $0.isDeferred }) else {
                continue
            }
            steps[index] = stage(letter, at: path)
        }
        return steps
    }

    /// Into one: a Maildir if its path ends in a slash, else an mbox.
    private mutating func stage(_ letter: Letter, at path: String) -> AccountDelivery.Step {
        if path == "/dev/null" { return .known(.delivered("discarded")) }
        do throws(MailboxFailure) {
            let index = try open(path)
            let source = letter.content.behind(letter.trace)
            var number = 0
            switch open[index].mailbox {
            case .maildir(let maildir):
                do throws(SystemError) { number = try maildir.stage(source, mark: letter.mark) } catch {
                    throw MailboxFailure(error)
                }
            case .mbox(_, let failure?): throw MailboxFailure(failure)
            case .mbox(let mbox, nil):
                do throws(SystemError) {
                    try mbox.append(source, from: letter.reversePath, at: .now())
                } catch {
                    open[index].mailbox = .mbox(mbox, failure: error)
                    throw MailboxFailure(error)
                }
            }
            tickets.append((index, number))
            return .staged(tickets.count - 1)
        } catch { return .known(outcome(of: error, at: path)) }
    }

    /// For the sender without the path, for the log with it.
    private func outcome(of failure: MailboxFailure, at path: String) -> DeliveryOutcome {
        log.warning("\(account.name): mailbox \(path): \(failure.cause)")
        return failure.outcome
    }

    private mutating func open(_ path: String) throws(MailboxFailure) -> Int {
        if let index = open.firstIndex(where: { $0.path == path }) { return index }
        if path.hasSuffix("/") {
            do throws(SystemError) {
                open.append((path, .maildir(try MaildirDelivery(path, host: hostname))))
            } catch { throw MailboxFailure(error) }
        } else {
            let keptGroup = keptGroup
            do throws(MboxDelivery.Failure) {
                let mbox = try MboxDelivery(path, creating: true, owner: account.uid) {
                    body throws(SystemError) in try Identity.withKeptGroup(keptGroup, body)
                }
                open.append((path, .mbox(mbox, failure: nil)))
            } catch { throw MailboxFailure(error) }
        }
        return open.count - 1
    }

    /// Forgets what was written and not made durable.
    mutating func abandon() { (open, tickets) = ([], []) }

    /// Makes everything durable; the outcome of each ticket.
    mutating func commit() -> [DeliveryOutcome] {
        var failures: [[SystemError?]] = []
        for (_, mailbox) in open {
            switch mailbox {
            case .maildir(let maildir): failures.append(maildir.commit())
            case .mbox(_, let failure?): failures.append([failure])
            case .mbox(let mbox, nil):
                do throws(SystemError) {
                    try mbox.commit()
                    failures.append([nil])
                } catch { failures.append([error]) }
            }
        }
        defer { abandon() }
        return tickets.map { ticket in
            if let failure = failures[ticket.mailbox][ticket.number] {
                return outcome(of: MailboxFailure(failure), at: open[ticket.mailbox].path)
            }
            if case .maildir = open[ticket.mailbox].mailbox { return .delivered("delivered to maildir") }
            return .delivered("delivered to mailbox")
        }
    }
}

/// Why nothing can be put into a mailbox now: for the sender, who hears no path, and for the log.
struct MailboxFailure: Error {
    let outcome: DeliveryOutcome
    let cause: String

    init(_ error: SystemError) {
        cause = error.description
        let isFull = error.code == .noSpace || error.code == .overQuota
        outcome = .deferred(
            isFull ? EnhancedStatus(4, 2, 2) : EnhancedStatus(4, 3, 0),
            isFull ? "mailbox is full" : "mailbox cannot be written: \(error.call): \(error.code)")
    }

    init(_ failure: MboxDelivery.Failure) {
        switch failure {
        case .system(let error): self = MailboxFailure(error)
        case .locked: self = MailboxFailure("locked")
        case .unsuitable(let what): self = MailboxFailure(what)
        }
    }

    private init(_ what: String) {
        cause = "it is \(what)"
        outcome = .deferred(EnhancedStatus(4, 2, 0), "mailbox is \(what)")
    }
}
