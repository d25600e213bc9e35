package import Recipients
import Bytes

/// What a list of targets comes to for one account, in the order in which it is served: lists within it
/// followed, repetitions dropped, the account's own address told from others.
package struct SortedTargets: Equatable {
    package private(set) var commands: [[UInt8]] = []
    package private(set) var files: [[UInt8]] = []
    package private(set) var mailbox = false
    /// Where copies go on to, with their domains.
    package private(set) var addresses: [[UInt8]] = []

    /// What the sender may hear, and the cause, for the log.
    package struct Failure: Error, Equatable {
        package let text: String
        package let cause: String

        package init(text: String, cause: String) {
            self.text = text
            self.cause = cause
        }
    }

    /// Most lists within lists.
    package static let deepest = 4

    package init() {}

    package static let mailboxAlone: SortedTargets = {
        var targets = SortedTargets()
        targets.mailbox = true
        return targets
    }()

    /// Sorts `list` for an account, whose home `~` stands for. `isOwn`: whether an address is the account's. One without a domain
    /// gets `origin`; `include` reads the list in a file.
    package init(
        _ list: [Target], home: [UInt8], isOwn: (RecipientAddress) -> Bool, origin: [UInt8]?,
        include: ([UInt8]) throws(Failure) -> [Target]
    ) throws(Failure) {
        // The lists that are still to be looked at, with how deep they are.
        var waiting = [(list: list[...], depth: 0)]
        while var (rest, depth) = waiting.popLast() {
            guard let target = rest.popFirst() else { continue }
            waiting.append((rest, depth))
            switch target {
            case .program(let text): if !commands.contains(text) { commands.append(text) }
            case .file(let text):
                let path = text.first == .ascii("~") ? home + text.dropFirst() : text
                if !files.contains(path) { files.append(path) }
            case .mailbox(let text), .address(let text): add(text, isOwn, origin)
            case .include(let path):
                depth += 1
                guard depth <= Self.deepest else {
                    throw Failure(
                        text: "lists are nested too deep", cause: "\(path.escaped()) is nested too deep")
                }
                waiting.append((try include(path)[...], depth))
            }
            guard addresses.count <= Target.most else {
                throw Failure(text: "too many addresses", cause: "more than \(Target.most) addresses")
            }
        }
    }

    /// Takes out the alias whose list this is: whom it leads to is served here. Where there is nothing else, it stays, and comes back
    /// as the loop that it is.
    package mutating func leaveOut(_ alias: [UInt8]) {
        let others = addresses.filter { !$0.equalsFolded(alias) }
        if !others.isEmpty || !commands.isEmpty || !files.isEmpty || mailbox { addresses = others }
    }

    /// The account's own address means its mailbox; any other goes back to the queue.
    private mutating func add(
        _ text: [UInt8], _ isOwn: (RecipientAddress) -> Bool, _ origin: [UInt8]?
    ) {
        if isOwn(RecipientAddress(text)) {
            mailbox = true
        } else {
            addresses.append(DeliveryPlan.qualified(text, origin))
        }
    }
}

extension ForwardFile {
    /// Reads the lists that `:include:` names, for `SortedTargets`.
    package static func targets(owner: UInt32) -> ([UInt8]) throws(SortedTargets.Failure) -> [Target] {
        { path throws(SortedTargets.Failure) in
            do throws(Failure) {
                return try targets(atPath: String(decoding: path, as: UTF8.self), owner: owner)
            } catch {
                throw SortedTargets.Failure(
                    text: "a list cannot be followed", cause: "\(path.escaped()) \(error)")
            }
        }
    }
}
