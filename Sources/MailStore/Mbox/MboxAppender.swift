import Bytes
import Unix

/// Writes messages behind the last one of an mbox, as the format wants them.
struct MboxAppender {
    private var output: [UInt8] = []
    private var position: Int
    /// How many line ends an empty line at the end still needs.
    private var missing: Int

    private static let gatherLimit = 1 << 16

    init(_ file: borrowing Descriptor, at end: Int) throws(SystemError) {
        position = end
        missing = try MboxFormat.missingNewlines(file, end)
    }

    /// A message with `fields` at the end of its header.
    mutating func append(
        _ message: Extents, fields: [UInt8], from sender: [UInt8], at time: Time,
        to file: borrowing Descriptor
    ) throws(SystemError) {
        output += [UInt8](repeating: .lf, count: missing)
        output += MboxFormat.separator(from: sender, at: time)
        var filter = MboxHeaderFilter(adding: fields)
        var quoting = MboxQuoting()
        try message.forEachPart { part throws(SystemError) in
            quoting.append(filter.take(part), to: &output)
            if output.count >= Self.gatherLimit { try flush(file) }
        }
        quoting.append(filter.end(), to: &output)
        quoting.end(to: &output)
        output.append(.lf)
        missing = 0
    }

    mutating func flush(_ file: borrowing Descriptor) throws(SystemError) {
        try file.write(output, at: position)
        position += output.count
        output.removeAll(keepingCapacity: true)
    }
}

/// Takes the mailbox's own fields out of a message's header, whoever put them there, and puts others at its end: what a
/// stranger's `Status` or `X-UID` says of a message is not so.
struct MboxHeaderFilter {
    private let fields: [UInt8]
    private var line: [UInt8] = []
    private var isInHeader = true
    private var isDropping = false
    /// This line's front is out already.
    private var isLong = false

    /// Longer lines are no field of the mailbox's.
    private static let longestLine = 1 << 14

    init(adding fields: [UInt8] = []) { self.fields = fields }

    mutating func take(_ part: [UInt8]) -> [UInt8] {
        guard isInHeader else { return part }
        var output: [UInt8] = []
        output.reserveCapacity(part.count + fields.count)
        var index = 0
        while index < part.count {
            guard isInHeader else { return output + part[index...] }
            let newline = part.firstIndex(of: .lf, from: index)
            let end = newline.map { $0 + 1 } ?? part.count
            line += part[index..<end]
            index = end
            if newline != nil || line.count >= Self.longestLine { pass(to: &output, isWhole: newline != nil) }
        }
        return output
    }

    private mutating func pass(to output: inout [UInt8], isWhole: Bool) {
        if !isLong {
            if line == [.lf] || line == [.cr, .lf] {
                output += fields
                isInHeader = false
                isDropping = false
            } else if line.first?.isWhitespace != true {
                isDropping = MboxFields.begins(line[...])
            }
        }
        if !isDropping { output += line }
        line.removeAll(keepingCapacity: true)
        isLong = !isWhole
    }

    /// What is left at the end of the message.
    mutating func end() -> [UInt8] {
        guard isInHeader else { return [] }
        var output: [UInt8] = []
        if !line.isEmpty || isLong {
            if line.last != .lf { line.append(.lf) }
            pass(to: &output, isWhole: true)
        }
        return isInHeader ? output + fields : output
    }
}
