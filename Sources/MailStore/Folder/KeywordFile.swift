import Bytes
import Mail

/// `dovecot-keywords`: a line a keyword, `number name`. The number is the letter's in a Maildir's names: 0 is `a`, 25 is `z`;
/// behind them come the digits, which Dovecot does not use.
extension KeywordNames {
    init(file bytes: [UInt8]) {
        self.init()
        for line in bytes.split(separator: .lf) {
            let parts = line.split(separator: .space, maxSplits: 1)
            guard parts.count == 2, let number = Int(strictDecimal: parts[0]),
                number < MessageFlags.mostKeywords
            else { continue }
            set(Array(parts[1]), number)
        }
    }

    var file: [UInt8] {
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
