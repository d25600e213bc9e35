import Unix

/// Bytes on their way to a socket.
struct OutgoingBuffer {
    private var bytes: [UInt8] = []
    private var start = 0

    var count: Int { bytes.count - start }
    var isEmpty: Bool { count == 0 }

    mutating func append(_ more: [UInt8]) {
        if isEmpty {
            bytes = more
            start = 0
        } else {
            bytes += more
        }
    }

    /// Sends what the socket takes without waiting.
    mutating func send(to raw: CInt) throws(SystemError) {
        while !isEmpty {
            let sent = try Socket.send(raw, bytes[start...])
            if sent == 0 { return }
            start += sent
        }
        bytes = []
        start = 0
    }
}
