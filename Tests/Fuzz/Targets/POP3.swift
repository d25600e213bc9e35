import SASL
import Bytes
import POP3

extension FuzzTarget {
    static let pop3 = [FuzzTarget(name: "pop3", run: sessions)]

    private final class Drop: Maildrop {
        static let messages = ["Subject: a\n\n.\n..b\r\nlast", "", "x\n\ny\n"]
        var output: [UInt8] = []
        var sizes: [Int] { Self.messages.map { $0.utf8.count } }
        var uniqueIDs: [[UInt8]] { Self.messages.indices.map { Array("id\($0)".utf8) } }
        func open(_ number: Int) -> Bool { number != 2 }
        func send(_ number: Int, bodyLines: Int?) -> Bool {
            var lines = StuffedLines(bodyLines: bodyLines)
            output += lines.take(Array(Self.messages[number - 1].utf8)) + lines.end()
            return true
        }
        func remove(_ numbers: [Int]) -> Int { 0 }
    }

    private static func sessions(_ input: [UInt8], _ seen: inout Findings) throws(Violation) {
        var first: [UInt8]?
        for pieces in input.cuts {
            let output = try login(pieces) + transaction(pieces)
            try promise("pieces make no difference", first == nil || first == output)
            first = output
        }
        seen.note("said", ifAny: first)
        var lines = StuffedLines(bodyLines: nil)
        let stuffed = lines.take(input) + lines.end()
        try promise("no line is a lone dot", stuffed != [.dot, .cr, .lf] && !stuffed.hasLoneDot)
        seen.note("stuffed", stuffed)
    }

    private static func login(_ pieces: [ArraySlice<UInt8>]) throws(Violation) -> [UInt8] {
        var session = LoginSession(
            hostname: "here", offersTLS: true, allowsPlaintext: true, isEncrypted: false)
        var output: [UInt8] = []
        var buffer: [UInt8] = []
        for piece in pieces {
            buffer += piece
            while true {
                let step = session.step(buffer[...])
                try promise("no more is read than came", step.consumed <= buffer.count)
                output += step.output
                buffer.removeFirst(step.consumed)
                switch step.next {
                case .proceed: break
                case .close: return output
                case .startTLS: session.startedTLS()
                case .login(_, let user, let password):
                    output += user + [.nul] + password
                    let (text, isOver) = session.refused(
                        [], password.first == .ascii("t") ? .undecided : .wrong)
                    output += text
                    if isOver { return output }
                }
                if step.consumed == 0 || buffer.isEmpty { break }
            }
        }
        return output
    }

    private static func transaction(_ pieces: [ArraySlice<UInt8>]) throws(Violation) -> [UInt8] {
        let drop = Drop()
        var session = MaildropSession(drop) { drop.output += $0 }
        var buffer: [UInt8] = []
        for piece in pieces {
            buffer += piece
            while !buffer.isEmpty {
                let (consumed, isOver) = session.step(buffer[...])
                if isOver { return drop.output }
                if consumed == 0 { break }
                buffer.removeFirst(consumed)
            }
        }
        return drop.output
    }
}

extension [UInt8] {
    fileprivate var hasLoneDot: Bool {
        let lone: [UInt8] = [.cr, .lf, .dot, .cr, .lf]
        return indices.contains { self[$0...].starts(with: lone) }
    }
}
