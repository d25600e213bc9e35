import Unix

/// A file for a message of which nothing is known yet: S0 of queue(5). Who will need one soon has it ready; one that is
/// dropped leaves nothing.
package struct Blank: ~Copyable {
    let bootID: String
    let directory: Directory
    /// Without a name, and locked.
    let file: Descriptor

    /// Nil where there are no unnamed files.
    package static func make(in queue: String) throws(QueueError) -> Blank? {
        try step(QueueError.inject) { () throws(SystemError) in
            let directory = try Directory(searching: "\(queue)/incoming")
            guard let file = try directory.openUnnamed(mode: 0o660) else { return nil }
            _ = try file.tryLock()
            // The runner reads and locks it by group, whatever this process's umask.
            try file.setMode(0o660)
            return Blank(bootID: try Host.bootID(), directory: directory, file: file)
        }
    }
}
