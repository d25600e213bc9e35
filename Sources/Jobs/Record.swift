import Bytes
import Unix

/// The records that the queue-runner and the deliverers exchange: a netstring that holds netstrings. The
/// first field names kind and version; a reader that meets another one refuses the whole record.
struct RecordWriter {
    private var fields: [UInt8] = []

    init(_ kind: StaticString) { add(Array(kind)) }

    mutating func add(_ bytes: some Collection<UInt8>) { Netstring.append(bytes, to: &fields) }

    mutating func add(_ number: some BinaryInteger) {
        var digits: [UInt8] = []
        digits.append(decimal: number)
        add(digits)
    }

    /// The record as it goes over the socket.
    func framed() -> [UInt8] {
        var frame: [UInt8] = []
        frame.reserveCapacity(fields.count + 12)
        Netstring.append(fields, to: &frame)
        return frame
    }
}

/// Reads the fields of one record in order; each with the limit that its meaning sets.
struct RecordReader {
    private var fields: ArraySlice<ArraySlice<UInt8>>

    /// The payload of a frame; fails unless it is netstrings to its last byte.
    init(_ payload: ArraySlice<UInt8>) throws(SyntaxError) {
        guard let fields = Netstring.fields(of: payload) else { throw SyntaxError("record", at: 0) }
        self.fields = fields[...]
    }

    var isAtEnd: Bool { fields.isEmpty }

    mutating func bytes(limit: Int, _ production: StaticString) throws(SyntaxError) -> ArraySlice<UInt8> {
        guard let field = fields.popFirst(), field.count <= limit else {
            throw SyntaxError(production, at: fields.startIndex)
        }
        return field
    }

    /// Bytes without control characters: what may stand in a line of the queue's or of a protocol.
    mutating func line(limit: Int, _ production: StaticString) throws(SyntaxError) -> [UInt8] {
        let field = try bytes(limit: limit, production)
        guard !field.contains(where: { $0.isControl }) else {
            throw SyntaxError(production, at: fields.startIndex)
        }
        return Array(field)
    }

    mutating func number(
        upTo limit: Int = .max, _ production: StaticString
    ) throws(SyntaxError) -> Int {
        let field = try bytes(limit: 20, production)
        guard let value = Int(strictDecimal: field), value <= limit else {
            throw SyntaxError(production, at: fields.startIndex)
        }
        return value
    }

    func end(_ production: StaticString) throws(SyntaxError) {
        guard fields.isEmpty else { throw SyntaxError(production, at: fields.startIndex) }
    }
}

/// How the exchange between the queue-runner and a deliverer fails. Either end then gives up the
/// connection, and every recipient without a report is tried again later.
package enum ExchangeError: Error, Equatable, CustomStringConvertible {
    /// The other side sent what is no record, or not the record that is due: the rule it broke.
    case malformed(StaticString)
    /// The other side went away in the middle.
    case ended
    case timedOut
    /// More than one record or one batch may hold; the caller should have split it.
    case tooLarge

    init(_ error: StreamError) { self = error == .timedOut ? .timedOut : .ended }

    package var description: String {
        switch self {
        case .malformed(let rule): "malformed \(rule)"
        case .ended: "the other side went away"
        case .timedOut: "the other side was silent for too long"
        case .tooLarge: "too large"
        }
    }

    package static func == (a: ExchangeError, b: ExchangeError) -> Bool {
        switch (a, b) {
        case (.malformed(let one), .malformed(let other)): one.description == other.description
        case (.ended, .ended), (.timedOut, .timedOut), (.tooLarge, .tooLarge): true
        default: false
        }
    }
}
