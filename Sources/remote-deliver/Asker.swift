import Unix

/// Who asked for the deliveries: the queue-runner behind a socket, or nobody who could go away. It says
/// nothing once the jobs are sent, so whatever can be read is that it gave up, or that it died: what has not
/// been committed by then stays with it.
struct Asker {
    let socket: CInt?

    var isGone: Bool {
        guard let socket else { return false }
        return (try? Poll.wait(socket, for: .reading, until: .after(.zero))) ?? true
    }
}
