package import Unix

/// A step of the queue that failed. Nothing that was acknowledged is lost by it, and nothing that was not
/// is kept.
package enum QueueError: Error, Equatable, CustomStringConvertible {
    /// The envelope cannot be written as lines, or nobody is in it.
    case envelope
    /// Before the commit point: nothing is in the queue.
    case inject(SystemError)
    /// At the commit point: the file was taken back.
    case commit(SystemError)
    /// Another file has the name: the same message was injected before.
    case exists
    /// What is to be imported is no message, or not a whole one.
    case damaged(String)
    case export(SystemError)
    case scan(SystemError)
    case claim(SystemError)
    case log(SystemError)
    case move(SystemError)

    package var cause: SystemError? {
        switch self {
        case .envelope, .exists, .damaged: nil
        case .inject(let error), .commit(let error), .export(let error), .scan(let error), .claim(let error),
            .log(let error),
            .move(let error):
            error
        }
    }

    /// Whether there is no room: 452 rather than 451.
    package var isOutOfSpace: Bool { cause.map { $0.code == .noSpace || $0.code == .overQuota } ?? false }

    package var description: String {
        switch self {
        case .envelope: "the envelope holds a control character or no recipient"
        case .exists: "the message is in the queue already"
        case .damaged(let what): "damaged: \(what)"
        case .export(let error): "cannot write the message out: \(error)"
        case .inject(let error): "cannot write to the queue: \(error)"
        case .commit(let error): "cannot commit to the queue: \(error)"
        case .scan(let error): "cannot read the queue: \(error)"
        case .claim(let error): "cannot open a message: \(error)"
        case .log(let error): "cannot write a message's log: \(error)"
        case .move(let error): "cannot move a message: \(error)"
        }
    }
}

/// Runs a step and names it when the system fails it.
func step<Result: ~Copyable>(
    _ name: (SystemError) -> QueueError, _ body: () throws(SystemError) -> Result
) throws(QueueError) -> Result {
    do throws(SystemError) { return try body() } catch { throw name(error) }
}
