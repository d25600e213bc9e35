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
        if local.isFull { setAside(in: local) { $0.isStalled } }
        guard remote.isFull else { return }
        // One that does not even end when it is called off gives up its place, and keeps its messages.
        setAside(in: remote) { $0.isCalledOff && $0.hasBeenSilent(for: Self.longestFarewell) }
        let stalled = sessions.values.filter { $0.lane === remote && $0.isStalled }
        // Who was called off is about to give up a place.
        var room = remote.room + stalled.count { $0.isCalledOff }
        for session in stalled where !session.isCalledOff && remote.readyCount > room {
            session.callOff()
            // What waits for it is not ready here any more.
            lanes.suspect(session.destination)
            room += 1
        }
    }

    /// Lets sessions that say nothing go on beside the others, whose places they had: a command cannot be called off.
    private func setAside(in lane: Lane, _ isInTheWay: (DelivererSession) -> Bool) {
        var left = Self.mostSetAside - sessions.values.count { $0.isSetAside }
        for session in sessions.values.filter({ $0.lane === lane && isInTheWay($0) })
        where left > 0 && lane.readyCount > lane.room {
            left -= 1
            let destination = session.destination
            session.isSetAside = true
            session.lane.end(destination, .calledOff, stalled: session.isStalled)
            session.lane = destination.isLocal ? lanes.slowLocal : lanes.suspects
            session.lane.adopt(destination, stalled: session.isStalled)
            lanes.suspect(destination)
        }
    }
}
