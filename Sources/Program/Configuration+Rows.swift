import Bytes
import Mail
import Unix

// How the table's rows are made, by the type of their values, and what values are good.

// MARK: - Rows by type

typealias Key = ConfigurationKey

func parsed<Value>(
    _ name: StaticString, _ type: Key.ValueType, _ standard: StaticString, _ meaning: StaticString,
    _ read: @escaping @Sendable (String) -> Value?,
    _ assign: @escaping @Sendable (inout Configuration, Value) -> Void
) -> Key {
    Key(nameText: name, standardText: standard, meaningText: meaning, type: type) { configuration, text in
        guard let value = read(text) else { return false }
        assign(&configuration, value)
        return true
    }
}

func text(
    _ name: StaticString, _ standard: StaticString, _ meaning: StaticString,
    _ isGood: @escaping @Sendable (String) -> Bool,
    _ assign: @escaping @Sendable (inout Configuration, String) -> Void
) -> Key {
    parsed(name, .text, standard, meaning, { isGood($0) ? $0 : nil }, assign)
}

func list(
    _ name: StaticString, _ standard: StaticString, _ meaning: StaticString,
    _ assign: @escaping @Sendable (inout Configuration, [String]) -> Void
) -> Key {
    parsed(name, .list, standard, meaning, words, assign)
}

func number(
    _ name: StaticString, _ standard: StaticString, _ range: ClosedRange<Int>, _ meaning: StaticString,
    _ assign: @escaping @Sendable (inout Configuration, Int) -> Void
) -> Key {
    parsed(
        name, .number, standard, meaning,
        { Int(strictDecimal: Array($0.utf8)).flatMap { range.contains($0) ? $0 : nil } }, assign)
}

func size(
    _ name: StaticString, _ standard: StaticString, _ meaning: StaticString, _ range: ClosedRange<Int>,
    _ assign: @escaping @Sendable (inout Configuration, Int) -> Void
) -> Key {
    parsed(
        name, .bytes, standard, meaning, { scaled($0, sizeUnits).flatMap { range.contains($0) ? $0 : nil } },
        assign)
}

func duration(
    _ name: StaticString, _ standard: StaticString, _ meaning: StaticString,
    _ assign: @escaping @Sendable (inout Configuration, Duration) -> Void
) -> Key {
    parsed(name, .duration, standard, meaning, seconds, assign)
}

func choice<Value>(
    _ name: StaticString, _ standard: StaticString, _ meaning: StaticString,
    _ choices: @autoclosure @escaping @Sendable () -> [String],
    _ read: @escaping @Sendable (String) -> Value?,
    _ assign: @escaping @Sendable (inout Configuration, Value) -> Void
) -> Key {
    parsed(name, .choice(choices), standard, meaning, read, assign)
}

// MARK: - Values

let sizeUnits: [UInt8: Int] = [.ascii("K"): 1 << 10, .ascii("M"): 1 << 20, .ascii("G"): 1 << 30]
let timeUnits: [UInt8: Int] = [
    .ascii("s"): 1, .ascii("m"): 60, .ascii("h"): 3600, .ascii("d"): 86400,
]

func scaled(_ text: String, _ units: [UInt8: Int]) -> Int? {
    var digits = Array(text.utf8)
    var unit = 1
    if let last = digits.last, let scale = units[last] {
        unit = scale
        digits.removeLast()
    }
    guard let number = Int(strictDecimal: digits) else { return nil }
    let (product, over) = number.multipliedReportingOverflow(by: unit)
    return over ? nil : product
}

/// From one second to ten years.
func seconds(_ text: String) -> Duration? {
    guard let count = scaled(text, timeUnits), (1...315_360_000).contains(count) else { return nil }
    return .seconds(count)
}

/// By bytes: what Characters are made of would be much of what a tool touches at its start.
func words(_ text: String) -> [String] {
    let bytes = Array(text.utf8)
    var words: [String] = []
    var start = 0
    for index in 0...bytes.count
    where index == bytes.count || bytes[index].isWhitespace || bytes[index] == .ascii(",") {
        if index > start { words.append(String(decoding: bytes[start..<index], as: UTF8.self)) }
        start = index + 1
    }
    return words
}

/// The values of all words, or nil if one has none.
func each<Value>(_ text: String, _ read: (String) -> Value?) -> [Value]? {
    let words = words(text)
    let values = words.compactMap(read)
    return values.count == words.count ? values : nil
}

func networks(_ text: String) -> [Network]? { each(text) { Network($0) } }
func addresses(_ text: String) -> [IPAddress]? { each(text) { IPAddress($0) } }
func servers(_ text: String) -> [SocketAddress]? {
    each(text) { SocketAddress(server: $0, standardPort: 53) }
}

func durations(_ text: String) -> [Duration]? {
    guard let values = each(text, seconds), !values.isEmpty,
        values.allSatisfy({ $0 >= .seconds(60) && $0 <= .seconds(2_592_000) })
    else { return nil }
    return values
}

func port(_ text: String) -> UInt16? {
    UInt16(strictDecimal: Array(text.utf8)).flatMap { $0 == 0 ? nil : $0 }
}

func logTarget(_ text: String) -> Log.Target? {
    switch text {
    case "syslog": .syslog
    case "stderr": .stderr
    case "none": Log.Target.none
    default: isAbsolute(text) ? .file(text) : nil
    }
}

/// A dot behind a domain says that the name is complete, and is no part of it.
func withoutFinalDot(_ domain: String) -> String {
    domain.utf8.last == .dot ? String(decoding: Array(domain.utf8.dropLast()), as: UTF8.self) : domain
}

func isAbsolute(_ text: String) -> Bool { text.utf8.first == .ascii("/") }
func isAbsoluteOrEmpty(_ text: String) -> Bool { text.isEmpty || isAbsolute(text) }
func isRecipientOrEmpty(_ text: String) -> Bool {
    text.isEmpty || Address(text.utf8) != nil || Address("\(text)@x".utf8) != nil
}
func isMailbox(_ text: String) -> Bool { text.utf8.starts(with: "~/".utf8) || isAbsolute(text) }
func isWord(_ text: String) -> Bool {
    !text.isEmpty && text.utf8.allSatisfy { $0.isAlphanumeric || $0 == .ascii("-") || $0 == .ascii("_") }
}
func isDomain(_ text: String) -> Bool {
    (1...255).contains(text.utf8.count)
        && text.utf8.allSatisfy { $0.isAlphanumeric || $0 == .ascii("-") || $0 == .dot }
        && text.utf8.first!.isAlphanumeric
}
