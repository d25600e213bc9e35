import Jobs
import Queue

/// What happened between the dispatcher and the deliverers. The runner acts on each, in the order in which they came.
enum Happening {
    /// A deliverer has said what became of a recipient.
    case reported(Report, of: Work, over: DelivererSession)
    /// It should have, and has not: an attempt that failed.
    case unreported(Int, of: Work, because: String)
    /// A recipient was not tried, because the destination fails.
    case suspended(Int, of: Work, by: FailingDestination)
    /// Some of an assignment's recipients are done with, and others still out: what became of those is to be on disk.
    case progressed(Work)
    /// An assignment is done with: what became of each of its recipients was told.
    case completed(Work)
    /// The same; nothing was tried for any of them, because no deliverer can be had. `quietly`: the log has that of others.
    case withheld(Assignment, because: String, quietly: Bool = false)
    /// A parked message is not to wait for a destination any longer: it fails.
    case turnedAway(ParkedMessage, from: Job.Destination, by: FailingDestination)
    /// A session is over; what of it is yet unsettled is what `Dispatcher.end` tells.
    case over(DelivererSession, DelivererSession.Ending)
    /// A destination that failed takes mail again: what waits in its bucket need not wait for the minute.
    case recovered(Job.Destination, after: FailingDestination)
    /// What waited for a deliverer may go, since there is one again.
    case calledBack(Candidate)
    /// What is wrong with the deliverers' services is this by now.
    case servicesChanged(local: String?, remote: String?)
}
