import Bytes
import Program
import Queue

/// The messages that the operator named on the command line: what any of the words means.
struct Selection {
    private let selectors: [MessageSelector]

    init(_ words: [String]) throws(UsageError) {
        selectors = try words.map { word throws(UsageError) in
            guard let selector = MessageSelector(word) else {
                throw UsageError(
                    "\(Array(word.utf8).escaped(limit: 80)): not a message id, nor from=, to=, domain= or all"
                )
            }
            return selector
        }
    }

    /// Without any word.
    var isEmpty: Bool { selectors.isEmpty }

    /// Those that are named one by one.
    var ids: [MessageID] {
        selectors.compactMap { selector in if case .id(let id) = selector { id } else { nil } }
    }

    /// Whether the queue has to be searched.
    var isSearch: Bool { ids.count < selectors.count }

    /// Which recipients of a message are meant, of those for whom something is left to do; nil where the message is
    /// not meant. One that is chosen by its recipients is not when all of these are done with.
    func recipients(of message: QueuedMessage, in queue: QueueDirectory) throws(QueueError) -> [Int]? {
        var numbers: Set<Int> = []
        var isWhole = false
        for selector in selectors {
            let meant = selector.recipients(of: message.envelope, message.id)
            numbers.formUnion(meant)
            switch selector {
            case .id, .sender, .all: isWhole = isWhole || !meant.isEmpty
            case .recipient, .domain: break
            }
        }
        guard !numbers.isEmpty else { return nil }
        let states = RecipientStates(try queue.history(of: message))
        let open = numbers.sorted().filter(states.isOpen)
        return open.isEmpty && !isWhole ? nil : open
    }
}
