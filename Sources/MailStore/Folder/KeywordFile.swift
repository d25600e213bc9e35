import Bytes
package import Mail
import Unix

/// `dovecot-keywords`: a line a keyword, `number name`. The number is the letter's in a Maildir's names: 0 is `a`, 25 is `z`;
/// behind them come the digits, which Dovecot does not use.
extension KeywordNames {
    package init(file bytes: [UInt8]) {
        self.init()
        for line in bytes.split(separator: .lf) {
            if let (number, name) = Self.keyword(line) { set(Array(name), number) }
        }
    }

    private static func keyword(_ line: ArraySlice<UInt8>) -> (number: Int, name: ArraySlice<UInt8>)? {
        let line = line.last == .cr ? line.dropLast() : line
        let parts = line.split(separator: .space, maxSplits: 1)
        guard parts.count == 2, let number = Int(strictDecimal: parts[0]), number < MessageFlags.mostKeywords
        else { return nil }
        return (number, parts[1])
    }

    package var file: [UInt8] {
        var text: [UInt8] = []
        for (number, name) in names.enumerated() {
            guard let name else { continue }
            text.append(decimal: number)
            text.append(.space)
            text += name
            text.append(.lf)
        }
        return text
    }
}

/// What is wrong in such a file.
extension KeywordNames {
    /// The lines that are none, and those whose number a later one has.
    static func faults(file bytes: [UInt8]) -> (bad: [Int], repeated: [Int]) {
        var bad: [Int] = []
        var repeated: [Int] = []
        var lines: [Int: Int] = [:]
        for (place, line) in zip(1..., bytes.split(separator: .lf, omittingEmptySubsequences: false))
        where !line.isEmpty {
            guard let (number, _) = keyword(line) else {
                bad.append(place)
                continue
            }
            if let earlier = lines.updateValue(place, forKey: number) { repeated.append(earlier) }
        }
        return (bad, repeated)
    }

    /// Numbers whose name a smaller one has: those that messages are marked with, and the others.
    func doublets(_ used: MessageFlags) -> (needed: [Int], idle: [Int]) {
        var needed: [Int] = []
        var idle: [Int] = []
        for number in names.indices {
            guard let name = names[number], self.number(of: name) != number else { continue }
            if used.contains(MessageFlags(keyword: number)) {
                needed.append(number)
            } else {
                idle.append(number)
            }
        }
        return (needed, idle)
    }
}

extension OpenDirectory {
    /// Puts another list into its place. Dovecot knows a new one by its second alone, and writes the one that it has over
    /// it, with names of its own for what it does not know: so the second grows each time, as it does where Dovecot
    /// writes.
    func replaceKeywords(with bytes: [UInt8]) throws(SystemError) {
        var time = Time.now()
        if let before = try directory.status(of: "dovecot-keywords")?.modified, before.seconds >= time.seconds
        {
            time = Time(seconds: before.seconds + 1)
        }
        try directory.replaceDurably("dovecot-keywords", with: bytes, modified: time)
    }
}
