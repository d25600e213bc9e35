import Bytes
package import Mail
package import Queue
package import Unix

/// A message on its way into the queue: its header is held back until it is whole and the filters have seen it, the rest
/// streams. What fails on the way is told by `commit`; until then nothing is in the queue, and one that is dropped leaves
/// nothing.
package final class IncomingMessage {
    package let arrival: Time
    package let origin: Origin
    package let envelope: Envelope
    private let injection: Injection
    private let filters: [any Filter]
    private let queue: String
    private let kick: String
    private var front: MessageFront
    private var failure: ReceptionFailure?

    package var id: MessageID { injection.id }
    /// The message's own, as it is stored; empty until it is whole, or `end`.
    package var header: MessageHeader { front.header }

    init(
        _ injection: Injection, arrival: Time, origin: Origin, envelope: Envelope, filters: [any Filter],
        headerLimit: Int, queue: String, kick: String
    ) {
        self.injection = injection
        self.arrival = arrival
        self.origin = origin
        self.envelope = envelope
        self.filters = filters
        self.queue = queue
        self.kick = kick
        front = MessageFront(limit: headerLimit)
    }

    /// Fields that this door puts above the message's own: `Received`, `Delivered-To`. Before anything else.
    package func append(trace: [UInt8]) { store(trace) }

    /// More of the message; lines end in LF.
    package func append(_ content: [UInt8]) {
        guard failure == nil else { return }
        if front.isGivenOut {
            pass(body: content)
        } else if front.append(content) {
            giveOutFront(isAtEnd: false)
        }
    }

    /// The text of a message that the queue has, or the first `limit` bytes of it.
    package func append(_ message: ClaimedMessage, upTo limit: Int = .max) throws(QueueError) {
        try message.forEachPart(upTo: limit) { append($0) }
    }

    private func giveOutFront(isAtEnd: Bool) {
        do throws(Rejection) {
            let (header, rest) = try front.giveOut(isAtEnd: isAtEnd) { header throws(Rejection) in
                var header = header
                var changed: [UInt8]?
                for filter in filters {
                    guard let text = try filter.header(header, of: self) else { continue }
                    changed = text
                    header = MessageHeader(text)
                }
                return changed
            }
            store(header)
            pass(body: rest)
        } catch { failure = .rejected(error) }
    }

    private func pass(body: [UInt8]) {
        guard !body.isEmpty, failure == nil else { return }
        do throws(Rejection) {
            for filter in filters { try filter.body(body) }
        } catch { return failure = .rejected(error) }
        store(body)
    }

    private func store(_ text: [UInt8]) {
        guard failure == nil else { return }
        do throws(QueueError) { try injection.append(text) } catch { failure = .queue(error) }
    }

    /// Nothing more comes.
    package func end() {
        if failure == nil, !front.isGivenOut { giveOutFront(isAtEnd: true) }
    }

    /// The message is whole: when this returns it is ours, durably; when it throws nothing of it is in the queue. The
    /// runner is woken unless `wakes` says that it will be. `held`: it goes to `hold/`, before anybody has it.
    package func commit(wakes: Bool = true, held: Bool = false) throws(ReceptionFailure) {
        end()
        if let failure { throw failure }
        do throws(Rejection) {
            for filter in filters { injection.putOnTop(try filter.end(of: self)) }
        } catch { throw .rejected(error) }
        do throws(QueueError) {
            try injection.commit(kick: wakes && !held ? kick : nil, holding: held ? queue : nil)
        } catch { throw .queue(error) }
    }
}
