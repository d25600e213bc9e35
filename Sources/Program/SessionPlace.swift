import Bytes
package import Unix

/// One of the places that a user has for sessions from one address, so that a password that got about, or a program gone wild,
/// does not fill the host with processes. Like a connection's slot it is a lock, which the kernel lets go of when the session
/// ends, however it ends. It stays with the session, which is the user's process: so each user has a file, in which nobody else
/// can be kept out, and the session has it open for reading only, that it cannot fill the disk.
package enum SessionPlace {
    /// The file is made, and its locks are looked at, by one login at a time.
    private static let patience = Duration.seconds(2)
    private static let turn = 0
    private static let lowestDescriptor: Int32 = 10

    /// Takes a place in a file below `directory`, which is made; nil where there is none left. It is held as long as the file
    /// is open anywhere.
    package static func take(
        in directory: String, service: String, user: [UInt8], address: IPAddress, most: Int
    ) throws(SystemError) -> Descriptor? {
        let (parent, name) = Path.split(directory)
        try Directory(parent).makeDirectory(name, mode: 0o700)
        let path = "\(directory)/\(service)-\(fingerprint(user))"
        let claiming = try Path.openForLocking(path)
        let deadline = Deadline.after(patience)
        while try !claiming.tryLockBytes(at: turn) {
            guard !deadline.hasPassed else { throw SystemError("fcntl", .again, path) }
            pause(.milliseconds(10))
        }
        // Who has a place has a read lock, which is all that a file open for reading gives.
        var free: Int?
        for place in ConnectionSlot.range(of: address, most: most) where try claiming.tryLockBytes(at: place)
        {
            try claiming.unlockBytes(at: place)
            free = place
            break
        }
        guard let free else { return nil }
        let held = try Path.openForReading(path).duplicate(from: lowestDescriptor)
        #if os(Linux)
            let isOurs = try held.tryLockBytes(at: free, shared: true)
            _ = consume claiming
        #else
            // Locks are the process's there, and go with the first of its descriptors that is closed.
            try claiming.close()
            let isOurs = try held.tryLockBytes(at: free, shared: true)
        #endif
        guard isOurs else { throw SystemError("fcntl", .again, path) }
        return held
    }

    /// FNV-1a: names need be no names of files.
    private static func fingerprint(_ user: [UInt8]) -> String {
        String(
            user.reduce(0xCBF2_9CE4_8422_2325 as UInt64) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }, radix: 16)
    }
}
