import Bytes
import CSystem

/// Sockets, as far as a program that inetd starts and that talks to neighbours needs them.
package enum Socket {
    /// Connects a TCP socket, waiting no longer than `deadline`; from `source` if given. Gives up with
    /// ECANCELED when `watched` can be read meanwhile.
    package static func connect(
        to address: SocketAddress, from source: IPAddress? = nil, by deadline: Deadline,
        unlessReadable watched: CInt? = nil
    ) throws(SystemError) -> Descriptor {
        guard case .ip(let ip, _) = address else { throw SystemError("connect", .invalid, "\(address)") }
        let family = if case .v4 = ip { AF_INET } else { AF_INET6 }
        let socket = Descriptor(adopting: try SystemCall.perform("socket") { cs_stream_socket(family) })
        let raw = socket.raw
        if let source {
            try SystemCall.perform("bind", "\(source)") {
                unsafe SocketAddress.ip(source, port: 0).withKernelForm { unsafe bind(raw, $0, $1) }
            }
        }
        // Our own socket, shared with nobody: it may be non-blocking while it connects.
        let flags = cs_fcntl(raw, F_GETFL, 0)
        _ = cs_fcntl(raw, F_SETFL, flags | O_NONBLOCK)
        if unsafe address.withKernelForm({ unsafe CSystem.connect(raw, $0, $1) }) != 0 {
            guard cs_errno() == EINPROGRESS else { throw SystemError("connect", .current, "\(address)") }
            guard try Poll.wait(raw, for: .writing, until: deadline, unlessReadable: watched) else {
                throw SystemError("connect", .timedOut, "\(address)")
            }
            var code: CInt = 0
            var size = socklen_t(MemoryLayout<CInt>.size)
            unsafe getsockopt(raw, SOL_SOCKET, SO_ERROR, &code, &size)
            guard code == 0 else { throw SystemError("connect", Errno(code), "\(address)") }
        }
        _ = cs_fcntl(raw, F_SETFL, flags)
        return socket
    }

    /// A datagram socket of our own that takes nothing but what `address` sends, and learns when nobody is there.
    package static func connectDatagram(to address: SocketAddress) throws(SystemError) -> Descriptor {
        guard case .ip(let ip, _) = address else { throw SystemError("connect", .invalid, "\(address)") }
        let family = if case .v4 = ip { AF_INET } else { AF_INET6 }
        let socket = Descriptor(adopting: try SystemCall.perform("socket") { cs_datagram_socket(family) })
        let raw = socket.raw
        try SystemCall.perform("connect", "\(address)") {
            unsafe address.withKernelForm { unsafe CSystem.connect(raw, $0, $1) }
        }
        return socket
    }

    /// Sends each segment at once: we write whole replies, and Nagle's algorithm would wait for the
    /// acknowledgement that the peer delays. Does nothing on what is no TCP socket.
    package static func sendAtOnce(_ raw: CInt) {
        var on: CInt = 1
        unsafe setsockopt(raw, CInt(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<CInt>.size))
    }

    /// No more writing: the peer sees the end, and can still answer.
    package static func endWriting(_ raw: CInt) { cs_end_writing(raw) }

    /// User and group of who connected a Unix socket.
    package static func peerCredentials(_ raw: CInt) throws(SystemError) -> (user: UInt32, group: UInt32) {
        var user: UInt32 = 0
        var group: UInt32 = 0
        try SystemCall.perform("getsockopt") { unsafe cs_peer_credentials(raw, &user, &group) }
        return (user, group)
    }
}

/// Unix sockets by path: the services that cross a privilege boundary, which relais(7) lists.
package enum ServiceSocket {
    /// Connects to a stream service; ENOENT and ECONNREFUSED mean that inetd has no such line. An inetd that takes
    /// no connections lets them queue up to its limit, and then whoever comes waits: no longer than `patience`, and
    /// with none at all not even that.
    package static func connect(
        _ path: String, patience: Duration = .seconds(10)
    ) throws(SystemError) -> Descriptor {
        let socket = Descriptor(adopting: try SystemCall.perform("socket") { cs_stream_socket(AF_UNIX) })
        let raw = socket.raw
        let flags = cs_fcntl(raw, F_GETFL, 0)
        if patience == .zero { _ = cs_fcntl(raw, F_SETFL, flags | O_NONBLOCK) } else { limit(raw, patience) }
        do throws(SystemError) {
            try SystemCall.perform("connect", path) {
                unsafe withAddress(path) { unsafe CSystem.connect(raw, $0, $1) }
            }
        } catch {
            throw error.code == .again ? SystemError("connect", .timedOut, path) : error
        }
        if patience == .zero { _ = cs_fcntl(raw, F_SETFL, flags) } else { limit(raw, .zero) }
        return socket
    }

    /// Whether somebody listens for datagrams at `path`: nothing is sent.
    package static func connectDatagram(_ path: String) throws(SystemError) {
        let socket = Descriptor(adopting: try SystemCall.perform("socket") { cs_datagram_socket(AF_UNIX) })
        let raw = socket.raw
        try SystemCall.perform("connect", path) {
            unsafe withAddress(path) { unsafe CSystem.connect(raw, $0, $1) }
        }
    }

    /// How long `connect`, and then each write, waits for room; zero: for ever.
    private static func limit(_ raw: CInt, _ patience: Duration) {
        var limit = timeval(
            tv_sec: Int(patience.microseconds / 1_000_000), tv_usec: .init(patience.microseconds % 1_000_000))
        unsafe setsockopt(raw, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    }

    /// Whether the peer has not read all that was written to it.
    package static func hasUnread(_ raw: CInt) -> Bool { cs_unread(raw) > 0 }

    /// Sends one datagram that says what came (empty: look at all), never waiting; whether somebody's queue
    /// took it. (A full queue is as good: the one who reads it will be looking anyway.)
    @discardableResult
    package static func kick(_ path: String, about what: [UInt8] = []) -> Bool {
        let raw = cs_datagram_socket(AF_UNIX)
        guard raw >= 0 else { return false }
        defer { close(raw) }
        return unsafe withAddress(path) {
            unsafe CInt(clamping: sendto(raw, what, what.count, CInt(MSG_DONTWAIT), $0, $1))
        } >= 0 || cs_errno() == EAGAIN
    }

    /// A datagram socket of our own at `path`, in the place of what was there: for who listens without inetd.
    package static func listenForKicks(_ path: String) throws(SystemError) -> Descriptor {
        let socket = Descriptor(adopting: try SystemCall.perform("socket") { cs_datagram_socket(AF_UNIX) })
        let raw = socket.raw
        _ = unsafe unlink(path)
        try SystemCall.perform("bind", path) { unsafe withAddress(path) { unsafe bind(raw, $0, $1) } }
        try SystemCall.perform("chmod", path) { unsafe chmod(path, 0o666) }
        return socket
    }

    /// Whether it is the socket of a `dgram unix wait` service.
    package static func isDatagram(_ raw: CInt) -> Bool {
        var kind: CInt = 0
        var size = socklen_t(MemoryLayout<CInt>.size)
        let known = unsafe getsockopt(raw, SOL_SOCKET, SO_TYPE, &kind, &size)
        return known == 0 && kind == cs_datagram_kind()
    }

    /// Reads away every waiting datagram: what each said, at most 64 bytes of it.
    package static func drain(_ raw: CInt) -> [[UInt8]] {
        var all: [[UInt8]] = []
        var buffer = [UInt8](repeating: 0, count: 64)
        while true {
            let count = unsafe recv(raw, &buffer, buffer.count, CInt(MSG_DONTWAIT))
            if count < 0 { return all }
            all.append(Array(buffer[..<count]))
        }
    }

    static func withAddress(
        _ path: String, _ body: (UnsafePointer<sockaddr>, socklen_t) -> CInt
    ) -> CInt {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(path.utf8)
        let room = MemoryLayout.size(ofValue: address.sun_path)
        guard bytes.count < room else {
            cs_set_errno(ENAMETOOLONG)
            return -1
        }
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: bytes) }
        return unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe body($0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
    }
}

/// Bytes that travel with open files (SCM_RIGHTS).
package enum DescriptorPassing {
    /// Most files that go with one message.
    package static let limit = 4

    /// Sends all of `bytes`; the files go with the first of them.
    package static func send(
        _ bytes: [UInt8], with files: [CInt], over socket: CInt
    ) throws(SystemError) {
        precondition(!bytes.isEmpty && files.count <= limit)
        let sent = try SystemCall.perform("sendmsg") {
            unsafe cs_send_with_descriptors(socket, bytes, bytes.count, files, CInt(files.count))
        }
        if sent < bytes.count { try File.writeAll(socket, bytes[Int(sent)...]) }
    }

    /// What one receive brought: bytes (none at the end) and raw descriptors that the caller now owns and
    /// must adopt at once.
    package struct Received {
        package var bytes: [UInt8]
        package var files: [CInt]
    }

    package static func receive(upTo capacity: Int, over socket: CInt) throws(SystemError) -> Received {
        var files = [CInt](repeating: -1, count: limit)
        var count: CInt = 0
        var bytes: [UInt8] = []
        try bytes.append(addingCapacity: capacity) { room throws(SystemError) in
            try unsafe room.withUnsafeMutableBufferPointer { free, filled throws(SystemError) in
                let got = try SystemCall.perform("recvmsg") {
                    unsafe cs_receive_with_descriptors(socket, free.baseAddress, capacity, &files, &count)
                }
                filled += Int(got)
            }
        }
        return Received(bytes: bytes, files: Array(files.prefix(Int(count))))
    }
}

package enum Poll {
    package enum Purpose { case reading, writing }

    /// Whether `raw` became ready before the deadline. A hang-up counts as ready: the next call tells.
    package static func wait(
        _ raw: CInt, for purpose: Purpose, until deadline: Deadline
    ) throws(SystemError) -> Bool {
        var item = pollfd(fd: raw, events: Int16(purpose == .reading ? POLLIN : POLLOUT), revents: 0)
        return try SystemCall.perform("poll") { unsafe poll(&item, 1, deadline.pollTimeout) } > 0
    }

    /// The same, given up with ECANCELED when `watched` can be read first.
    package static func wait(
        _ raw: CInt, for purpose: Purpose, until deadline: Deadline, unlessReadable watched: CInt?
    ) throws(SystemError) -> Bool {
        guard let watched else { return try wait(raw, for: purpose, until: deadline) }
        let own = Interest(raw, reading: purpose == .reading, writing: purpose == .writing)
        let ready = try wait([own, Interest(watched, reading: true)], until: deadline)
        if ready.contains(where: { $0.raw == raw }) { return true }
        if ready.isEmpty { return false }
        throw SystemError("poll", .cancelled, "")
    }

    /// Which of `readers` can be read, when one can or the deadline passes (then none).
    package static func wait(
        anyOf readers: [CInt], until deadline: Deadline
    ) throws(SystemError) -> [CInt] {
        var items = readers.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
        try SystemCall.perform("poll") { unsafe poll(&items, nfds_t(items.count), deadline.pollTimeout) }
        return items.filter { $0.revents != 0 }.map { $0.fd }
    }
}

extension Poll {
    /// What somebody waits for on a descriptor.
    package struct Interest: Equatable {
        package let raw: CInt
        package var reading: Bool
        package var writing: Bool

        package init(_ raw: CInt, reading: Bool = false, writing: Bool = false) {
            self.raw = raw
            self.reading = reading
            self.writing = writing
        }
    }

    /// Those of `interests` that came true, when one does or the deadline passes (then none). A hang-up or
    /// an error counts as what was waited for: the next call tells.
    package static func wait(
        _ interests: [Interest], until deadline: Deadline
    ) throws(SystemError) -> [Interest] {
        var items = interests.map { interest in
            let events = (interest.reading ? POLLIN : 0) | (interest.writing ? POLLOUT : 0)
            return pollfd(fd: interest.raw, events: Int16(events), revents: 0)
        }
        try SystemCall.perform("poll") { unsafe poll(&items, nfds_t(items.count), deadline.pollTimeout) }
        return zip(interests, items).compactMap { interest, item in
            let broken = Int32(item.revents) & (POLLHUP | POLLERR | POLLNVAL) != 0
            let ready = Interest(
                interest.raw,
                reading: interest.reading && (broken || Int32(item.revents) & POLLIN != 0),
                writing: interest.writing && (broken || Int32(item.revents) & POLLOUT != 0))
            return ready.reading || ready.writing ? ready : nil
        }
    }
}

extension Socket {
    /// Reads what is there, without waiting and without making the socket non-blocking for whoever shares
    /// it: nil when nothing is there, empty at the end.
    package static func receive(_ raw: CInt, upTo capacity: Int) throws(SystemError) -> [UInt8]? {
        var result = Result<Int, Errno>.success(0)
        let bytes = unsafe [UInt8](unsafeUninitializedCapacity: capacity) { buffer, count in
            result = SystemCall.attempt { unsafe recv(raw, buffer.baseAddress, capacity, CInt(MSG_DONTWAIT)) }
            count = (try? result.get()) ?? 0
        }
        switch result {
        case .success: return bytes
        case .failure(.again): return nil
        case .failure(let code): throw SystemError("recv", code, "")
        }
    }

    /// Sends what there is room for, without waiting: how many of the bytes.
    package static func send(_ raw: CInt, _ bytes: ArraySlice<UInt8>) throws(SystemError) -> Int {
        let flags = CInt(MSG_DONTWAIT) | CInt(MSG_NOSIGNAL)
        let result = unsafe bytes.withUnsafeBytes { buffer in
            SystemCall.attempt { unsafe CSystem.send(raw, buffer.baseAddress, buffer.count, flags) }
        }
        switch result {
        case .success(let count): return count
        case .failure(.again): return 0
        case .failure(let code): throw SystemError("send", code, "")
        }
    }
}
