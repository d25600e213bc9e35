import Bytes
import CSystem

/// What can end a conversation.
package enum StreamError: Error, Equatable, CustomStringConvertible {
    /// The deadline passed.
    case timedOut
    /// The peer went away: reset, or broken pipe.
    case disconnected
    case system(SystemError)

    package var description: String {
        switch self {
        case .timedOut: "timed out"
        case .disconnected: "the other side went away"
        case .system(let error): error.description
        }
    }

    package init(_ error: SystemError) {
        switch error.code {
        case .connectionReset, .brokenPipe, .timedOut: self = .disconnected
        default: self = .system(error)
        }
    }
}

/// Both directions of a conversation over borrowed descriptors, buffered, each wait bounded.
///
/// Output is sent when it must be: before waiting for input, or when 32 KiB have gathered. So pipelined
/// commands are answered in one segment, and no session has to think about flushing.
package final class ByteStream {
    package private(set) var input: CInt
    package private(set) var output: CInt
    /// Longest wait for the next bytes, or for room to write.
    package var patience: Duration
    /// When the whole conversation must be over.
    package var end: Deadline

    private var buffer: [UInt8] = []
    private var start = 0
    private var pending: [UInt8] = []
    private var sawEnd = false

    private static let chunk = 16384
    private static let pendingLimit = 32768

    package init(input: CInt, output: CInt, patience: Duration, end: Deadline = .never) {
        self.input = input
        self.output = output
        self.patience = patience
        self.end = end
    }

    /// What has been read and not consumed.
    package var buffered: ArraySlice<UInt8> { buffer[start...] }
    package var hasPendingOutput: Bool { !pending.isEmpty }

    /// Puts bytes in front of what will be read: those that came before this process had the stream.
    package func take(_ bytes: [UInt8]) { buffer.append(contentsOf: bytes) }

    package func consume(_ count: Int) {
        start += count
        if start == buffer.count {
            buffer.removeAll(keepingCapacity: true)
            start = 0
        }
    }

    /// Sends what is pending, waits, and reads more behind `buffered`; false at the end of the input.
    package func fill() throws(StreamError) -> Bool {
        try flush()
        if sawEnd { return false }
        let deadline = min(end, .after(patience))
        do throws(SystemError) {
            guard try Poll.wait(input, for: .reading, until: deadline) else {
                throw SystemError("poll", .again, "")
            }
            if start > 0 {
                buffer.removeSubrange(..<start)
                start = 0
            }
            if try File.append(input, to: &buffer, upTo: Self.chunk) > 0 { return true }
        } catch {
            if error.call == "poll", error.code == .again { throw .timedOut }
            throw StreamError(error)
        }
        sawEnd = true
        return false
    }

    package enum Line: Equatable {
        /// Up to and with its LF.
        case line([UInt8])
        /// No LF within the limit; nothing was consumed.
        case tooLong
        /// The input ended, perhaps in the middle of a line, which stays in `buffered`.
        case end
    }

    /// Reads a line of at most `limit` bytes, its end included.
    package func readLine(limit: Int) throws(StreamError) -> Line {
        var searched = 0
        while true {
            if let end = buffered.dropFirst(searched).firstIndex(of: .lf) {
                let length = end + 1 - start
                guard length <= limit else { return .tooLong }
                let line = Array(buffer[start...end])
                consume(length)
                return .line(line)
            }
            searched = buffer.count - start
            guard searched < limit else { return .tooLong }
            guard try fill() else { return .end }
        }
    }

    /// Queues bytes for sending; sends when enough have gathered.
    package func write(_ bytes: [UInt8]) throws(StreamError) {
        if pending.isEmpty { pending = bytes } else { pending.append(run: bytes[...]) }
        if pending.count >= Self.pendingLimit { try flush() }
    }

    package func write(_ bytes: some Collection<UInt8>) throws(StreamError) { try write(Array(bytes)) }

    package func flush() throws(StreamError) {
        guard !pending.isEmpty else { return }
        defer { pending.removeAll(keepingCapacity: true) }
        let deadline = min(end, .after(patience))
        var sent = 0
        do throws(SystemError) {
            // Small writes to a fresh socket never block; the first is tried without asking poll.
            while sent < pending.count {
                sent += try send(pending[sent...], by: deadline)
            }
        } catch {
            if error.call == "poll", error.code == .again { throw .timedOut }
            throw StreamError(error)
        }
    }

    private func send(_ bytes: ArraySlice<UInt8>, by deadline: Deadline) throws(SystemError) -> Int {
        while true {
            let result = unsafe bytes.withUnsafeBytes { room in
                SystemCall.attempt { () -> Int in
                    let sent = unsafe CSystem.send(
                        output, room.baseAddress, SystemCall.portion(of: room.count), Self.sendFlags)
                    // A pipe, a terminal or a file is not sent to but written.
                    if sent < 0, cs_errno() == ENOTSOCK {
                        return unsafe CSystem.write(
                            output, room.baseAddress, SystemCall.portion(of: room.count))
                    }
                    return sent
                }
            }
            switch result {
            case .success(let count): return count
            case .failure(.again):
                guard try Poll.wait(output, for: .writing, until: deadline) else {
                    throw SystemError("poll", .again, "")
                }
            case .failure(let code): throw SystemError("send", code, "")
            }
        }
    }

    private static let sendFlags = CInt(MSG_NOSIGNAL) | CInt(MSG_DONTWAIT)

    /// Goes on over other descriptors (after STARTTLS, through the relay). What was read and not consumed
    /// came in the clear and is thrown away (T7: RFC 3207 §4.2).
    package func continueOver(input: CInt, output: CInt) {
        self.input = input
        self.output = output
        buffer.removeAll()
        start = 0
        sawEnd = false
    }
}
