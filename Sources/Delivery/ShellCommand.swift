import Bytes
package import Unix

/// A `|command` of an alias or a .forward: sh -c, with the message as its input, as whoever this process
/// is. It gets a clean environment, nothing open but its three standard descriptors, a process group of
/// its own, and a time limit after which the group is ended. What it leaves running has as much processor time (T61).
package struct ShellCommand {
    package let text: [UInt8]
    package let environment: [String]
    package let timeLimit: Duration

    package init(_ text: [UInt8], environment: [String], timeLimit: Duration) {
        self.text = text
        self.environment = environment
        self.timeLimit = timeLimit
    }

    package enum Ending: Equatable {
        case exited(Int32)
        case signalled(Int32)
        case timedOut
        /// It could not be started, or not be given the whole message.
        case failed(SystemError)
    }

    package struct Result: Equatable {
        package var ending: Ending
        /// The beginning of what it wrote to stdout and stderr.
        package var output: [UInt8]
    }

    /// Most of a command's output that is kept; the rest is read and dropped.
    package static let longestOutput = 1024

    /// Runs it with `prefix` and then the content as its input. The caller ignores SIGPIPE: a command need
    /// not read all that it is given.
    package func run(prefix: [UInt8], content: Extents) -> Result {
        var output: [UInt8] = []
        do throws(SystemError) {
            let ending = try run(prefix, content, &output)
            return Result(ending: ending, output: output)
        } catch {
            return Result(ending: .failed(error), output: output)
        }
    }

    /// Runs `$0` with as much processor time: our own limit, lowered once, could not be raised for the next command.
    private var limited: String {
        "ulimit -t \(max(1, timeLimit.components.seconds)) 2>/dev/null; exec sh -c \"$0\""
    }

    private func run(
        _ prefix: [UInt8], _ content: Extents, _ output: inout [UInt8]
    ) throws(SystemError) -> Ending {
        let deadline = Deadline.after(timeLimit)
        let input = try DescriptorPair.pipe()
        let result = try DescriptorPair.pipe()
        let child = try ChildProcess.start(
            "/bin/sh", arguments: ["sh", "-c", limited, String(decoding: text, as: UTF8.self)],
            environment: environment, input: input.first.raw, output: result.second.raw,
            error: result.second.raw, ownGroup: true)
        let writer = input.keepSecond()
        let reader = result.keepFirst()
        do throws(SystemError) {
            let isFed = try feed(prefix, content, to: writer.raw, reading: reader.raw, &output, by: deadline)
            // Half a message must not look like a whole one: the command dies before its input ends.
            if !isFed { child.end(group: true) }
            try writer.close()
            try collect(reader.raw, of: child, &output, by: deadline)
            switch try child.wait(until: deadline) {
            case .exited(let code): return .exited(code)
            case .signalled(let signal) where isFed: return .signalled(signal)
            default: break
            }
        } catch {
            child.end(group: true)
            _ = try? child.wait()
            throw error
        }
        child.end(group: true)
        _ = try? child.wait()
        return .timedOut
    }

    /// Writes the message, reading away what the command says meanwhile; false if the deadline passed. A
    /// command that closes its input has had enough.
    private func feed(
        _ prefix: [UInt8], _ content: Extents, to pipe: CInt, reading output: CInt,
        _ kept: inout [UInt8], by deadline: Deadline
    ) throws(SystemError) -> Bool {
        var pending = prefix[...]
        var position = 0
        var waiting = [Poll.Interest(pipe, writing: true), Poll.Interest(output, reading: true)]
        while true {
            if pending.isEmpty {
                let part = try content.part(at: position)
                if part.isEmpty { return true }
                position += part.count
                pending = part[...]
            }
            let ready = try Poll.wait(waiting, until: deadline)
            if ready.isEmpty { return false }
            if ready.contains(where: { $0.reading }), try !Self.drain(output, into: &kept) {
                waiting.removeLast()
            }
            guard ready.contains(where: { $0.writing }) else { continue }
            // As much as a pipe that poll calls writable takes without blocking.
            let part = pending.prefix(Self.atomicWrite)
            do throws(SystemError) { try File.writeAll(pipe, part) } catch {
                if error.code == .brokenPipe { return true }
                throw error
            }
            pending = pending.dropFirst(part.count)
        }
    }

    private static let atomicWrite = 4096

    /// Reads the output until it ends, the command has ended, or the deadline passes. What a command leaves
    /// running behind it may hold the output open; nobody waits for that.
    private func collect(
        _ output: CInt, of child: ChildProcess, _ kept: inout [UInt8], by deadline: Deadline
    ) throws(SystemError) {
        while !deadline.hasPassed {
            let step = min(deadline, .after(.milliseconds(50)))
            if try Poll.wait(output, for: .reading, until: step) {
                if try !Self.drain(output, into: &kept) { return }
            } else if try child.hasEnded() {
                return
            }
        }
    }

    /// Reads once; false at the end.
    private static func drain(_ output: CInt, into kept: inout [UInt8]) throws(SystemError) -> Bool {
        let part = try File.read(output, upTo: 4096)
        kept += part.prefix(max(0, longestOutput - kept.count))
        return !part.isEmpty
    }
}
