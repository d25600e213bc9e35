import Bytes

/// The TRANSACTION and UPDATE states of RFC 1939 §5 and §6, over a `Maildrop`.
package struct MaildropSession {
    package static let longestLine = LoginSession.longestLine
    package static let mostErrors = 50

    private let maildrop: any Maildrop
    private let write: ([UInt8]) -> Void
    private var deleted: Set<Int> = []
    private var errors = 0

    /// `write` sends output; it is called in order with what the maildrop sends by itself.
    package init(_ maildrop: any Maildrop, write: @escaping ([UInt8]) -> Void) {
        self.maildrop = maildrop
        self.write = write
    }

    package var greeting: [UInt8] {
        let left = remaining
        return Answer.ok("\(left.count) messages (\(left.octets) octets)")
    }

    private var remaining: (count: Int, octets: Int) {
        var count = 0
        var octets = 0
        for (index, size) in maildrop.sizes.enumerated() where !deleted.contains(index + 1) {
            count += 1
            octets += size
        }
        return (count, octets)
    }

    /// Executes the first command of `input`: how much was read (nothing: more is needed), and whether the
    /// session is over.
    package mutating func step(_ input: ArraySlice<UInt8>) -> (consumed: Int, isOver: Bool) {
        guard let line = CommandLine.first(of: input, limit: Self.longestLine) else {
            guard input.count >= Self.longestLine else { return (0, false) }
            write(Answer.tooLong)
            return (input.count, true)
        }
        do throws(Command.Failure) {
            return (line.size, execute(try Command.read(line.text)))
        } catch {
            return (line.size, refuse(error == .unknown ? Answer.unknown : Answer.syntax))
        }
    }

    /// Whether the session is over.
    private mutating func execute(_ command: Command) -> Bool {
        switch command {
        case .capa: write(Answer.capabilities(tls: false, login: false, isLoggedIn: true))
        case .noop: write(Answer.ok(""))
        case .stat: write(Answer.ok("\(remaining.count) \(remaining.octets)"))
        case .list(let number):
            let sizes = maildrop.sizes
            return list(number) { $0.append(decimal: sizes[$1 - 1]) }
        case .uidl(let number):
            let uniqueIDs = maildrop.uniqueIDs
            return list(number) { $0.append(run: uniqueIDs[$1 - 1][...]) }
        case .retr(let number): return retrieve(number, bodyLines: nil)
        case .top(let number, let lines): return retrieve(number, bodyLines: lines)
        case .dele(let number):
            guard exists(number) else { return refuse(Answer.noSuchMessage) }
            deleted.insert(number)
            write(Answer.ok("Marked"))
        case .rset:
            deleted.removeAll()
            write(greeting)
        case .quit: return quit()
        case .user, .pass, .stls, .unsupported: return refuse(Answer.error("Logged in already"))
        }
        return false
    }

    private func exists(_ number: Int) -> Bool {
        (1...max(1, maildrop.sizes.count)).contains(number) && !maildrop.sizes.isEmpty
            && !deleted.contains(number)
    }

    /// Of one message, or of each, its number and what `append` says of it.
    private mutating func list(_ number: Int?, _ append: (inout [UInt8], Int) -> Void) -> Bool {
        func appendLine(_ number: Int, to output: inout [UInt8]) {
            output.append(decimal: number)
            output.append(.space)
            append(&output, number)
            output += "\r\n"
        }
        if let number {
            guard exists(number) else { return refuse(Answer.noSuchMessage) }
            var output = [UInt8]("+OK ")
            appendLine(number, to: &output)
            write(output)
            return false
        }
        var output = Answer.ok("")
        output.reserveCapacity(32 * maildrop.sizes.count)
        for index in maildrop.sizes.indices where !deleted.contains(index + 1) {
            appendLine(index + 1, to: &output)
        }
        output += ".\r\n"
        write(output)
        return false
    }

    private mutating func retrieve(_ number: Int, bodyLines: Int?) -> Bool {
        guard exists(number) else { return refuse(Answer.noSuchMessage) }
        guard maildrop.open(number) else {
            return refuse(Answer.error("[SYS/TEMP] The message cannot be read"))
        }
        write(Answer.ok(bodyLines == nil ? "\(maildrop.sizes[number - 1]) octets" : ""))
        // Half an answer cannot be taken back: without its end, and with the connection, the client sees it.
        guard maildrop.send(number, bodyLines: bodyLines) else { return true }
        write(Array(".\r\n".utf8))
        return false
    }

    /// RFC 1939 §6: messages are removed here and nowhere else.
    private func quit() -> Bool {
        let failed = deleted.isEmpty ? 0 : maildrop.remove(deleted.sorted())
        write(
            failed == 0
                ? Answer.ok("Bye") : Answer.error("[SYS/TEMP] \(failed) messages could not be removed"))
        return true
    }

    private mutating func refuse(_ output: [UInt8]) -> Bool {
        errors += 1
        let isOver = errors >= Self.mostErrors
        write(isOver ? Answer.tooMany : output)
        return isOver
    }
}
