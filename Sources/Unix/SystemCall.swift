import CSystem

/// The one way to the kernel: every call that can fail goes through `perform`, which retries EINTR and
/// turns -1 into a `SystemError`.
///
/// In debug builds a fault can be armed: die before the k-th call, let the k-th call (or all from it on) fail
/// with a given error number without being made, or let it write half of what it is to write (and the next call
/// fail: a disk that fills up). Crash tests walk k over all calls of a step.
package enum SystemCall {
    #if DEBUG
        /// What happens at the call whose number `countdown` reaches.
        package enum Fault {
            case none, die, fail(Errno), failFromThere(Errno), writeHalf, writeHalfThenFail(Errno)
            /// Something that happens meanwhile.
            case run(() -> Void)
        }

        /// One a thread: tests run side by side, and a fault is for the calls of the one that armed it.
        private final class Plan {
            var fault = Fault.none
            var countdown = 0
            var count = 0
            var writesHalf = false
        }

        private static let planKey: pthread_key_t = {
            var key = pthread_key_t()
            unsafe pthread_key_create(&key, nil)
            return key
        }()

        private static var plan: Plan? {
            guard let pointer = unsafe pthread_getspecific(planKey) else { return nil }
            return unsafe Unmanaged<Plan>.fromOpaque(pointer).takeUnretainedValue()
        }

        /// How many calls this thread made since it armed a fault.
        package static var callCount: Int { plan?.count ?? 0 }

        /// Arms a fault at this thread's `number`-th call from now, 1 being the next.
        package static func arm(_ fault: Fault, at number: Int) {
            let plan = plan ?? Plan()
            plan.fault = fault
            plan.countdown = number
            plan.count = 0
            unsafe pthread_setspecific(planKey, Unmanaged.passRetained(plan).toOpaque())
        }

        /// Refuses this thread, or gives back to it, what some systems and filesystems do not have: files without a
        /// name, renaming that replaces nothing, linking by descriptor.
        package static func refuseExtensions(_ refuses: Bool) { cs_refuse(refuses ? 1 : 0) }

        /// Arms what RELAIS_FAULT says: `die:K`, `half:K`, or, with an error's number, `fail:K:ERRNO`,
        /// `fail-from:K:ERRNO` and `half:K:ERRNO`. For tests of whole programs.
        package static func armFromEnvironment() {
            guard let plan = Environment.value(of: "RELAIS_FAULT") else { return }
            let words = plan.split(separator: ":")
            guard words.count >= 2, let number = Int(words[1]) else { return }
            let code = words.count == 3 ? CInt(words[2]).map { Errno($0) } : nil
            switch (words[0], code) {
            case ("die", nil): arm(.die, at: number)
            case ("half", nil): arm(.writeHalf, at: number)
            case ("half", let code?): arm(.writeHalfThenFail(code), at: number)
            case ("fail", let code?): arm(.fail(code), at: number)
            case ("fail-from", let code?): arm(.failFromThere(code), at: number)
            default: break
            }
        }

        private static func faultOfThisCall() -> Errno? {
            guard let plan else { return nil }
            plan.count += 1
            plan.writesHalf = false
            guard plan.countdown > 0 else { return nil }
            plan.countdown -= 1
            guard plan.countdown == 0 else { return nil }
            switch plan.fault {
            case .none: return nil
            case .die:
                kill(getpid(), SIGKILL)
                return nil
            case .fail(let code): return code
            case .run(let body):
                body()
                return nil
            case .failFromThere(let code):
                plan.countdown = 1
                return code
            case .writeHalf:
                plan.writesHalf = true
                return nil
            case .writeHalfThenFail(let code):
                plan.writesHalf = true
                plan.fault = .fail(code)
                plan.countdown = 1
                return nil
            }
        }
    #endif

    /// How much of `count` bytes to give to a call that writes: all, unless a fault says half.
    @inline(__always)
    static func portion(of count: Int) -> Int {
        #if DEBUG
            if plan?.writesHalf == true { return (count + 1) / 2 }
        #endif
        return count
    }

    /// Makes a call that returns -1 and sets errno when it fails.
    @discardableResult
    package static func perform<Result: FixedWidthInteger & SignedInteger>(
        _ call: StaticString, _ object: @autoclosure () -> String = "", _ body: () -> Result
    ) throws(SystemError) -> Result {
        switch attempt(body) {
        case .success(let result): return result
        case .failure(let code): throw SystemError(call, code, object())
        }
    }

    /// The same where failing is an ordinary answer, not an error.
    package static func attempt<Result: FixedWidthInteger & SignedInteger>(
        _ body: () -> Result
    ) -> Swift.Result<Result, Errno> {
        while true {
            #if DEBUG
                if let code = faultOfThisCall() {
                    if code == .interrupted { continue }
                    return .failure(code)
                }
            #endif
            let result = body()
            if result != -1 { return .success(result) }
            let code = Errno.current
            if code != .interrupted { return .failure(code) }
        }
    }
}
