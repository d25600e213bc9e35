import Bytes
import Jobs
import Program
import Queue

/// One message, from its claim to its end.
extension Runner {
    /// Sorts the open recipients of a message into destinations. Those for `wanted` are the result, and
    /// have a session waiting; the others wait for theirs. `parked`: what waits already, where this go has begun.
    func begin(
        _ message: ClaimedMessage, _ parked: ParkedMessage?, for wanted: Job.Destination?
    ) -> [Assignment] {
        guard let work = work(message) else {
            parked?.destinations = []
            return []
        }
        claimed += 1
        let parked = parked ?? ParkedMessage(message)
        var taken: [Assignment] = []
        var assigned: Set<Int> = []
        let numbers = recipients(of: work, parked.rest)
        for (destination, recipients) in Dictionary(grouping: numbers, by: { destination(of: $0, work) }) {
            if let trouble = dispatcher.services.trouble(for: destination) {
                for number in recipients {
                    settlement.withhold(number, of: work, trouble, quietly: true)
                }
                parked.destinations.remove(destination)
            } else if let failing = dispatcher.pause(of: destination, at: work.claimed) {
                for number in recipients { settlement.suspend(number, of: work, by: failing) }
                parked.destinations.remove(destination)
            } else if destination == wanted {
                taken += assign(recipients, of: work)
                assigned.formUnion(recipients)
            } else if parked.destinations.contains(destination) {
                work.waiting[destination] = recipients
            } else if claimed <= mostClaimed, dispatcher.lanes.hasRoom(for: destination) {
                for assignment in assign(recipients, of: work) {
                    dispatcher.lanes.add(
                        .claimed(assignment), from: message.envelope.reversePath, to: destination)
                }
                assigned.formUnion(recipients)
            } else {
                work.waiting[destination] = recipients
                parked.destinations.insert(destination)
                dispatcher.lanes.add(.parked(parked), from: message.envelope.reversePath, to: destination)
            }
        }
        if !work.waiting.isEmpty {
            // As long as nobody was tried, the place tells who is to be.
            let hasBegun = !parked.rest.isEmpty || !assigned.isEmpty
            parked.rest = hasBegun ? numbers.filter { !assigned.contains($0) } : []
            (parked.work, work.parked) = (work, parked)
        }
        if work.assignments > 0 { settlement.announce(work) } else { finish(work) }
        return taken
    }

    /// A message with what is known of it; nil when it is done with, or cannot be worked on.
    private func work(_ message: ClaimedMessage) -> Work? {
        do throws(QueueError) {
            let log = try MessageLog.open(for: message, in: queue, creating: false)
            if let log, log.endsInRemoval {
                intake.release(message.id)
                try queue.remove(message, log: log)
                return nil
            }
            // Recipients who have it would get it again if that could not be written down.
            if log == nil, message.envelope.recipients.count > 1 { try queue.checkRoom() }
            let work = Work(message, log: log, at: clock.now)
            work.isOwn = settlement.isOwn(message, at: work.claimed)
            return work
        } catch {
            settlement.complain(of: message.id, error)
            intake.leave(message.id)
            return nil
        }
    }

    /// Whom this go is for. `rest`: whom it has not come to yet, where it has begun.
    private func recipients(of work: Work, _ rest: [Int]) -> [Int] {
        if !rest.isEmpty { return work.open(among: rest) }
        // In `incoming/` is what is new, and what the operator wants tried now.
        return work.message.place == .incoming ? work.open : work.due(at: work.claimed)
    }

    /// What of a parked message goes to a destination whose turn it is.
    func unpark(_ parked: ParkedMessage, for destination: Job.Destination) -> [Assignment] {
        guard parked.destinations.remove(destination) != nil else { return [] }
        if let work = parked.work {
            let recipients = work.waiting.removeValue(forKey: destination) ?? []
            parked.rest.removeAll { recipients.contains($0) }
            return assign(recipients, of: work)
        }
        guard let message = intake.claimAgain(parked) else { return [] }
        return begin(message, parked, for: destination)
    }

    /// Its destination fails: the recipients wait until it is tried again.
    private func turnAway(
        _ parked: ParkedMessage, from destination: Job.Destination, by state: FailingDestination
    ) {
        guard parked.destinations.remove(destination) != nil else { return }
        if let work = parked.work {
            for number in work.waiting.removeValue(forKey: destination) ?? [] {
                settlement.suspend(number, of: work, by: state)
            }
        } else {
            intake.comeBack(Candidate(id: parked.id, place: parked.place, parked: parked))
        }
    }

    private func destination(of recipient: Int, _ work: Work) -> Job.Destination {
        Job.Destination(
            work.recipient(recipient), injectedBy: work.message.injector,
            isLocal: { configuration.isLocal(domain: $0) },
            relay: { configuration.relay(for: $0, from: work.message.envelope.reversePath) },
            sharesUsers: { configuration.sharesUsers(domain: $0) },
            delimiter: configuration.recipientDelimiter.utf8.first)
    }

    private func assign(_ recipients: [Int], of work: Work) -> [Assignment] {
        stride(from: 0, to: recipients.count, by: Job.mostRecipients).map { start in
            work.assignments += 1
            let end = min(start + Job.mostRecipients, recipients.count)
            return Assignment(work: work, recipients: Array(recipients[start..<end]))
        }
    }

    // MARK: What happened to it

    /// Acts on each in its turn: what is written down, and when, is as it happened.
    func act(on happenings: [Happening]) {
        for happening in happenings { act(on: happening) }
    }

    private func act(on happening: Happening) {
        switch happening {
        case .reported(let report, let work, let session): settlement.settle(report, of: work, over: session)
        case .unreported(let number, let work, let reason):
            settlement.postpone(number, of: work, status: "4.3.0", reason)
        case .suspended(let number, let work, let state): settlement.suspend(number, of: work, by: state)
        case .progressed(let work): settlement.writeDown(work)
        case .completed(let work): complete(work)
        case .withheld(let assignment, let reason, let quietly):
            for number in assignment.recipients {
                settlement.withhold(number, of: assignment.work, reason, quietly: quietly)
            }
            complete(assignment.work)
        case .turnedAway(let parked, let destination, let state):
            turnAway(parked, from: destination, by: state)
        case .over(let session, let ending): act(on: dispatcher.end(session, ending))
        case .recovered(let destination, let state):
            try? intake.read(.deferred(minute: state.bucket))
            log.info("\(destination.name.escaped(limit: 300)): takes mail again")
        case .calledBack(let candidate): intake.comeBack(candidate)
        case .servicesChanged(let local, let remote): lock.note(local: local, remote: remote)
        }
    }

    /// One of its assignments is done with.
    private func complete(_ work: Work) {
        work.assignments -= 1
        if work.assignments == 0 { finish(work) }
    }

    private func finish(_ work: Work) {
        claimed -= 1
        let message = work.message
        work.parked?.work = nil
        // It is let go; where it waits it is claimed again.
        if !work.waiting.isEmpty { return settlement.writeDown(work) }
        work.parked?.destinations = []
        if settlement.finish(work) { intake.release(message.id) } else { intake.leave(message.id) }
        for destination in Set(work.withheld.map { self.destination(of: $0, work) }) {
            dispatcher.services.keep(Candidate(id: message.id, place: message.place), for: destination)
        }
    }
}
