import Jobs
import Queue
import Unix

/// Sessions that say nothing: others may begin beside them, and, where every session is taken, in their place. A deliverer
/// that is called off stops before its next message is committed, and says so.
extension Dispatcher {
    private static let localPatience = Duration.seconds(1)
    private static let longestFarewell = Duration.seconds(10)
    /// Each is a process.
    private static let mostSetAside = 200

    /// Looks who has been silent for long. `makeRoom` follows, when what happened was acted on.
    func look() -> [Happening] {
        var happened: [Happening] = []
        for session in sessions.values
        where !session.isStalled
            && session.hasBeenSilent(for: session.destination.isLocal ? Self.localPatience : patience)
        {
            session.isStalled = true
            session.lane.stall(session.destination)
            // It is at work, as far as can be seen.
            if session.isTaken { services.works(session.destination, since: session.started, &happened) }
        }
        for session in sessions.values {
            if session.hangs {
                happened.append(.over(session, .hung))
            } else if session.isUntaken {
                happened.append(.over(session, .untaken))
            }
        }
        return happened
    }

    func makeRoom() {
        let (local, remote) = (lanes.local, lanes.remote)
        if local.isFull { setAside(local.readyCount) { $0.lane === local && $0.isStalled } }
        guard remote.isFull else { return }
        // One that does not even end when it is called off gives up its place, and keeps its messages.
        setAside(remote.readyCount) {
            $0.lane === remote && $0.isCalledOff && $0.hasBeenSilent(for: Self.longestFarewell)
        }
        let stalled = sessions.values.filter { $0.lane === remote && $0.isStalled }
        let needed = remote.readyCount - stalled.filter { $0.isCalledOff }.count
        for session in stalled.filter({ !$0.isCalledOff }).prefix(max(0, needed)) {
            session.callOff()
            lanes.suspect(session.destination)
        }
    }

    /// Lets sessions that say nothing go on beside the others, whose places they had: a command cannot be called off.
    private func setAside(_ needed: Int, _ isInTheWay: (DelivererSession) -> Bool) {
        let room = Self.mostSetAside - sessions.values.count { $0.isSetAside }
        for session in sessions.values.filter(isInTheWay).prefix(max(0, min(needed, room))) {
            let destination = session.destination
            session.isSetAside = true
            session.lane.end(destination, .calledOff, stalled: session.isStalled)
            session.lane = destination.isLocal ? lanes.slowLocal : lanes.suspects
            session.lane.adopt(destination, stalled: session.isStalled)
            lanes.suspect(destination)
        }
    }
}
