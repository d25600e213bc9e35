import Bytes

/// `dovecot-keywords`: a line a keyword, `number name`, the number being the letter's: 0 is `a`, 25 is `z`. An mbox has its
/// keywords' names in its messages; there the letters, of which it can have more, are ours alone.
struct KeywordList: Equatable {
    private(set) var names: [UInt8: [UInt8]] = [:]
    private var letters: ClosedRange<UInt8> = 0x61...0x7A

    init() {}

    init(most: UInt8) { letters = 0x61...0x60 + most }

    init(_ bytes: [UInt8]) {
        for line in bytes.split(separator: .lf) {
            let parts = line.split(separator: .space, maxSplits: 1)
            guard parts.count == 2, let number = UInt8(strictDecimal: parts[0]), number < letters.count
            else {
                continue
            }
            names[letters.lowerBound + number] = Array(parts[1])
        }
    }

    func letter(of name: [UInt8]) -> UInt8? { names.first { $0.value.equalsFolded(name) }?.key }

    /// The letter of a keyword, given now if it had none; nil when all are taken.
    mutating func add(_ name: [UInt8]) -> UInt8? {
        if let letter = letter(of: name) { return letter }
        guard let letter = letters.first(where: { names[$0] == nil }) else { return nil }
        names[letter] = name
        return letter
    }

    var encoded: [UInt8] {
        var text: [UInt8] = []
        for (letter, name) in names.sorted(by: { $0.key < $1.key }) {
            text.append(decimal: letter - 0x61)
            text.append(.space)
            text += name
            text.append(.lf)
        }
        return text
    }
}
