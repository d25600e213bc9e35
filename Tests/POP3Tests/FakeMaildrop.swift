import SASL
import POP3

/// Messages in memory; what the session writes and what it removes can be looked at.
final class FakeMaildrop: Maildrop {
    let messages: [String]
    var output: [UInt8] = []
    private(set) var removed: [Int] = []
    /// Numbers that cannot be opened, that break off in the middle, and that cannot be removed.
    var unreadable: Set<Int> = []
    var breaking: Set<Int> = []
    var fixed: Set<Int> = []

    init(_ messages: [String]) { self.messages = messages }

    var sizes: [Int] { messages.map(\.utf8.count) }
    var uniqueIDs: [[UInt8]] { messages.indices.map { Array("id\($0 + 1)".utf8) } }
    func open(_ number: Int) -> Bool { !unreadable.contains(number) }

    func send(_ number: Int, bodyLines: Int?) -> Bool {
        var lines = StuffedLines(bodyLines: bodyLines)
        output += lines.take(Array(messages[number - 1].utf8))
        output += lines.end()
        return !breaking.contains(number)
    }

    func remove(_ numbers: [Int]) -> Int {
        removed = numbers.filter { !fixed.contains($0) }
        return numbers.count - removed.count
    }
}

/// How an input reaches a session: no way may change what it answers.
enum Cut: CaseIterable {
    case whole, byteByByte, threes

    func pieces(_ input: [UInt8]) -> [ArraySlice<UInt8>] {
        let size =
            switch self {
            case .whole: max(1, input.count)
            case .byteByByte: 1
            case .threes: 3
            }
        return stride(from: 0, to: input.count, by: size).map { input[$0..<min($0 + size, input.count)] }
    }
}

/// Runs sessions over input in pieces.
enum Conversation {
    /// What a session over a maildrop says, and whether it ended by itself.
    static func transaction(_ maildrop: FakeMaildrop, _ input: [UInt8], _ cut: Cut) -> (String, Bool) {
        var session = MaildropSession(maildrop) { maildrop.output += $0 }
        let isOver = run(input, cut) { buffer in session.step(buffer) }
        return (String(decoding: maildrop.output, as: UTF8.self), isOver)
    }

    /// What a session before the login says; `answers` are those of the login service, one an attempt.
    static func authorization(
        _ session: LoginSession, _ input: [UInt8], _ cut: Cut,
        logins: inout [(user: String, password: String)]
    ) -> (String, Bool) {
        var session = session
        var output: [UInt8] = []
        var seen: [(String, String)] = []
        let isOver = run(input, cut) { buffer in
            let step = session.step(buffer)
            output += step.output
            switch step.next {
            case .proceed: return (step.consumed, false)
            case .close: return (step.consumed, true)
            case .startTLS:
                output += session.readyForTLS([])
                session.startedTLS()
                return (step.consumed, false)
            case .login(_, let user, let password):
                seen.append(
                    (String(decoding: user, as: UTF8.self), String(decoding: password, as: UTF8.self)))
                let answer = session.refused([], .wrong)
                output += answer.output
                return (step.consumed, answer.isOver)
            }
        }
        logins = seen.map { (user: $0.0, password: $0.1) }
        return (String(decoding: output, as: UTF8.self), isOver)
    }

    private static func run(
        _ input: [UInt8], _ cut: Cut, _ step: (ArraySlice<UInt8>) -> (consumed: Int, isOver: Bool)
    ) -> Bool {
        var buffer: ArraySlice<UInt8> = []
        for piece in cut.pieces(input) {
            buffer += piece
            while true {
                let (consumed, isOver) = step(buffer)
                if isOver { return true }
                if consumed == 0 { break }
                buffer = buffer.dropFirst(consumed)
            }
        }
        return false
    }
}
