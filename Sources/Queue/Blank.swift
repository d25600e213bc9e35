import Unix

/// A file for a message of which nothing is known yet: S0 of queue(5). Who will need one soon has it ready; one that is
/// dropped leaves nothing.
package struct Blank: ~Copyable {
    let bootID: String
    let directory: Directory
    /// Without a name, and locked.
    let file: Descriptor

    /// Nil where there are no unnamed files. `bootID`: Host's, if it was asked for already.
    package static func make(in queue: String, bootID: String? = nil) throws(QueueError) -> Blank? {
        try step(QueueError.inject) { () throws(SystemError) in
            let directory = try Directory(searching: "\(queue)/incoming")
            guard let file = try directory.openUnnamed(mode: 0o660) else { return nil }
            _ = try file.tryLock()
            // The runner reads and locks it by group, whatever this process's umask.
            try file.setMode(0o660)
            let boot = if let bootID { bootID } else { try Host.bootID() }
            return Blank(bootID: boot, directory: directory, file: file)
        }
    }
}
