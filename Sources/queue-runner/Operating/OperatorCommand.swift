import Queue
import Unix

/// What an operator can do to messages.
enum OperatorCommand {
    case hold, release, retry, remove, undo, purge, export
    case reroute(RerouteTarget)
    case giveBack(ReturnToSender.Reason)

    /// The option that asks for it; `--reroute` and `--return` have more to say.
    var option: String {
        switch self {
        case .hold: "hold"
        case .release: "release"
        case .retry: "retry"
        case .remove: "remove"
        case .undo: "undo"
        case .purge: "purge"
        case .export: "export"
        case .reroute: "reroute"
        case .giveBack: "return"
        }
    }

    static let simple: [OperatorCommand] = [.hold, .release, .retry, .remove, .undo, .purge, .export]

    /// Where the messages are that it is for.
    func places(_ queue: QueueDirectory) throws(QueueError) -> [Place] {
        switch self {
        case .hold, .retry: try queue.waitingPlaces().filter { $0 != .hold }
        case .release: [.hold]
        case .remove, .export, .reroute, .giveBack: try queue.waitingPlaces()
        case .undo, .purge: try queue.trashPlaces()
        }
    }

    var placesInWords: String {
        switch self {
        case .hold, .retry, .remove, .export, .reroute, .giveBack: "in the queue"
        case .release: "on hold"
        case .undo, .purge: "in the trash"
        }
    }

    /// Whether mail may be due afterwards.
    var isWorthAKick: Bool {
        switch self {
        case .release, .retry, .undo, .reroute: true
        // A report knocks itself.
        case .hold, .remove, .purge, .export, .giveBack: false
        }
    }
}
