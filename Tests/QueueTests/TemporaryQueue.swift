import Queue
import TemporaryPlaces
import Unix

/// A private queue that goes away with its owner.
final class TemporaryQueue {
    private let directory: TemporaryDirectory
    var path: String { directory.path }

    init() throws {
        directory = try TemporaryDirectory(inMemory: true)
        try directory.makeQueue()
    }

    static let envelope = Envelope(
        reversePath: Array("ann@example.org".utf8), parameters: Array("BODY=8BITMIME".utf8),
        recipients: [
            .init(Array("bob@example.net".utf8)),
            .init(Array("\"odd> name\"@example.com".utf8), parameters: Array("NOTIFY=NEVER".utf8)),
        ])

    @discardableResult
    func inject(_ content: String, id: MessageID? = nil) throws -> MessageID {
        let injection = try Injection(queue: path, envelope: Self.envelope, id: id)
        try injection.append(Array(content.utf8))
        try injection.commit(kick: nil)
        return injection.id
    }

    func names(_ place: String) throws -> [String] { try Directory("\(path)/\(place)").names().sorted() }

    func bytes(_ name: String) throws -> [UInt8] { try Path.contents("\(path)/\(name)") ?? [] }

    func put(_ bytes: [UInt8], at name: String) throws {
        let parts = name.split(separator: "/")
        let directory = try Directory("\(path)/\(parts[0])")
        _ = try directory.removeIfPresent(String(parts[1]))
        try directory.open(String(parts[1]), .createNew(mode: 0o660)).write(bytes)
    }
}

extension Claim {
    var message: ClaimedMessage? { if case .claimed(let message) = self { message } else { nil } }
    var reason: String? { if case .invalid(let reason) = self { reason } else { nil } }
    var isGone: Bool { if case .gone = self { true } else { false } }
    var isBusy: Bool { if case .busy = self { true } else { false } }
    var isUnfinished: Bool { if case .unfinished = self { true } else { false } }
}

extension QueueDirectory {
    /// A claim that waits while the file is busy: another test may be starting a child, which holds copies
    /// of all our descriptors, locks included, between its fork and its exec.
    func claimFree(_ id: MessageID, in place: Place) throws -> Claim {
        let deadline = Deadline.after(.seconds(5))
        while true {
            let claim = try claim(id, in: place)
            if !claim.isBusy || deadline.hasPassed { return claim }
            pause(.milliseconds(1))
        }
    }
}
