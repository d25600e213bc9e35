import CAres
import Unix

/// One c-ares channel to one server, for one round of questions. c-ares chooses ports, checks that an
/// answer is from the server, for the id and for the question (T72), falls back to TCP when an answer was
/// truncated, and drops EDNS for a server that does not know it. Which server comes next, and how often, is
/// not left to it: it would hide a SERVFAIL behind a time-out.
@safe struct Channel: ~Copyable {
    private let handle: ares_channel

    init(to server: SocketAddress, patience: Duration, byTCP: Bool) throws(LookupFailure) {
        unsafe handle = try Self.open(to: server, patience: patience, byTCP: byTCP)
    }

    private static func open(
        to server: SocketAddress, patience: Duration, byTCP: Bool
    ) throws(LookupFailure) -> ares_channel {
        var options = unsafe ares_options()
        unsafe options.flags = ARES_FLAG_EDNS | ARES_FLAG_NOCHECKRESP | (byTCP ? ARES_FLAG_USEVC : 0)
        unsafe options.timeout = CInt(clamping: max(1, patience.milliseconds))
        unsafe options.tries = 1
        unsafe options.ednspsz = CInt(Question.datagramSize)
        // Everything that c-ares would otherwise read from files and environment is given.
        let given =
            ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_EDNSPSZ | ARES_OPT_NDOTS
            | ARES_OPT_SERVERS | ARES_OPT_DOMAINS | ARES_OPT_LOOKUPS | ARES_OPT_SORTLIST
        var handle: ares_channel?
        let status = unsafe "b".withCString { lookups in
            unsafe options.lookups = UnsafeMutablePointer(mutating: lookups)
            return unsafe ares_init_options(&handle, &options, given)
        }
        guard status == ARES_SUCCESS, let handle = unsafe handle else { throw failure(status) }
        let set = unsafe ares_set_servers_ports_csv(handle, server.description)
        if set != ARES_SUCCESS {
            unsafe ares_destroy(handle)
            throw failure(set)
        }
        return unsafe handle
    }

    deinit { unsafe ares_destroy(handle) }

    /// What became of one question.
    private struct Slot {
        var result: Result<[UInt8], LookupFailure>?
    }

    /// Asks all of `questions` at once; the raw replies, or why there is none, in the same order. Returns
    /// by `deadline`, whatever keeps arriving.
    func ask(
        _ questions: [(packet: [UInt8], id: UInt16)], by deadline: Deadline
    ) -> [Result<[UInt8], LookupFailure>] {
        let slots = UnsafeMutablePointer<Slot>.allocate(capacity: questions.count)
        unsafe slots.initialize(repeating: Slot(), count: questions.count)
        for (index, question) in questions.enumerated() {
            unsafe ares_send(
                handle, question.packet, CInt(question.packet.count),
                { argument, status, _, bytes, count in unsafe Channel.complete(argument, status, bytes, count)
                },
                slots + index)
        }
        while !deadline.hasPassed, turn(until: deadline) {}
        // Calls back every question that is still open, before the slots go away.
        unsafe ares_cancel(handle)
        defer {
            unsafe slots.deinitialize(count: questions.count)
            unsafe slots.deallocate()
        }
        return questions.indices.map { unsafe slots[$0].result ?? .failure(.timedOut) }
    }

    /// Waits once and lets c-ares work; false when nothing is open any more.
    private func turn(until deadline: Deadline) -> Bool {
        var sockets = [ares_socket_t](repeating: -1, count: Int(ARES_GETSOCK_MAXNUM))
        let bits = unsafe ares_getsock(handle, &sockets, CInt(sockets.count))
        let interests = sockets.enumerated().compactMap { index, raw -> Poll.Interest? in
            let reading = bits & (1 << index) != 0
            let writing = bits & (1 << (index + Int(ARES_GETSOCK_MAXNUM))) != 0
            return reading || writing ? Poll.Interest(raw, reading: reading, writing: writing) : nil
        }
        guard !interests.isEmpty else { return false }
        var time = timeval()
        guard unsafe ares_timeout(handle, nil, &time) != nil else { return false }
        let pause = Duration.seconds(time.tv_sec) + .microseconds(time.tv_usec)
        guard let ready = try? Poll.wait(interests, until: min(deadline, .after(pause))) else { return false }
        if ready.isEmpty { unsafe ares_process_fd(handle, Self.noSocket, Self.noSocket) }
        for item in ready {
            unsafe ares_process_fd(
                handle, item.reading ? item.raw : Self.noSocket, item.writing ? item.raw : Self.noSocket)
        }
        return true
    }

    private static let noSocket: ares_socket_t = -1

    private static func complete(
        _ argument: UnsafeMutableRawPointer?, _ status: CInt, _ bytes: UnsafeMutablePointer<UInt8>?,
        _ count: CInt
    ) {
        guard let slot = unsafe argument?.assumingMemoryBound(to: Slot.self) else { return }
        if status == ARES_SUCCESS, let bytes = unsafe bytes {
            unsafe slot.pointee.result = .success(Array(UnsafeBufferPointer(start: bytes, count: Int(count))))
        } else {
            unsafe slot.pointee.result = .failure(failure(status))
        }
    }

    private static func failure(_ status: CInt) -> LookupFailure {
        switch status {
        case ARES_ECONNREFUSED: .connectionRefused
        case ARES_ETIMEOUT, ARES_ECANCELLED: .timedOut
        default: .unable(unsafe String(cString: ares_strerror(status)))
        }
    }
}
