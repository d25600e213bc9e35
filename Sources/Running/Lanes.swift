import Jobs
import Program
import Queue
import Unix

/// What waits for a session with a deliverer.
enum Waiting {
    /// Locked, and its envelope read.
    case claimed(Assignment)
    /// Claimed when its turn comes.
    case parked(ParkedMessage)
}

/// The sessions of a kind, and what waits for one: by destination and, there, by sender.
typealias Lane = Scheduler<Job.Destination, [UInt8], Waiting>

/// A session that is to be opened now, counted as running in its lane from here on.
struct Turn {
    let destination: Job.Destination
    let lane: Lane
    let waiting: [(sender: [UInt8], item: Waiting)]
}

/// Where what waits, waits.
///
/// Destinations that fail, or that were so slow that others had to wait for them, have a quarter of the
/// sessions to themselves, and no more: the others go on as if these were not there. So have users whose
/// commands take long; what has begun of theirs goes on beside.
final class Lanes {
    let local: Lane
    let remote: Lane
    /// For destinations that fail or are slow.
    let suspects: Lane
    /// For users whose commands are.
    let slowLocal: Lane
    private var slow: Set<Job.Destination> = []
    private let memory: DestinationMemory

    init(_ configuration: Configuration, _ memory: DestinationMemory) {
        self.memory = memory
        let limits = Limits(configuration)
        remote = Lane(limits.remote)
        suspects = Lane(limits.suspects)
        local = Lane(limits.local)
        slowLocal = Lane(limits.slowLocal)
    }

    func reconfigure(_ configuration: Configuration) {
        let limits = Limits(configuration)
        (remote.limits, suspects.limits) = (limits.remote, limits.suspects)
        (local.limits, slowLocal.limits) = (limits.local, limits.slowLocal)
    }

    private struct Limits {
        let remote, suspects, local, slowLocal: Lane.Limits

        init(_ configuration: Configuration) {
            let sessions = configuration.remoteConcurrency
            let processes = configuration.localConcurrency
            func remote(_ total: Int) -> Lane.Limits {
                Lane.Limits(
                    total: max(1, total), perDestination: configuration.destinationConcurrency,
                    batch: min(Job.mostInBatch, configuration.messagesPerSession))
            }
            func local(_ total: Int) -> Lane.Limits {
                Lane.Limits(
                    total: max(1, total), perDestination: configuration.userConcurrency,
                    batch: Job.mostInBatch)
            }
            (self.remote, suspects) = (remote(sessions - sessions / 4), remote(sessions / 4))
            (self.local, slowLocal) = (local(processes - processes / 4), local(processes / 4))
        }
    }

    /// How much waits.
    var count: Int { local.count + remote.count + suspects.count + slowLocal.count }

    /// Whether a message for this destination should be kept claimed while it waits.
    func hasRoom(for destination: Job.Destination) -> Bool {
        lane(of: destination).count(of: destination) < 2 * Job.mostInBatch
    }

    func add(_ waiting: Waiting, from sender: [UInt8], to destination: Job.Destination) {
        let lane = lane(of: destination)
        if lane === suspects, isFailing(destination) { lane.probe(destination) }
        lane.add(waiting, from: sender, to: destination)
    }

    private func lane(of destination: Job.Destination) -> Lane {
        if destination.isLocal { return slow.contains(destination) ? slowLocal : local }
        return slow.contains(destination) || isFailing(destination) ? suspects : remote
    }

    private func isFailing(_ destination: Job.Destination) -> Bool {
        guard case .remote(let domain) = destination else { return false }
        return memory[domain] != nil
    }

    /// Whose turn it is; nil when nothing waits, or no session is free for what does.
    func nextTurn() -> Turn? {
        for lane in [local, remote, suspects, slowLocal] {
            if let (destination, waiting) = lane.next() {
                return Turn(destination: destination, lane: lane, waiting: waiting)
            }
        }
        return nil
    }

    // MARK: Who is slow

    /// Nobody is in anybody's way: none is slow any more.
    func forgetSlow() { if suspects.count + slowLocal.count == 0 { slow.removeAll() } }

    /// What waits for this destination goes where it is in nobody's way.
    func suspect(_ destination: Job.Destination) {
        slow.insert(destination)
        let (usual, other) = destination.isLocal ? (local, slowLocal) : (remote, suspects)
        move(destination, from: usual, to: other)
    }

    /// A session with it was quick.
    func isQuick(_ destination: Job.Destination) {
        guard slow.remove(destination) != nil, destination.isLocal else { return }
        move(destination, from: slowLocal, to: local)
    }

    /// It has failed, and does no more.
    func isWell(_ destination: Job.Destination) {
        if !slow.contains(destination) { move(destination, from: suspects, to: remote) }
    }

    private func move(_ destination: Job.Destination, from one: Lane, to other: Lane) {
        for (sender, item) in one.removeAll(for: destination) {
            other.add(item, from: sender, to: destination)
        }
    }
}
