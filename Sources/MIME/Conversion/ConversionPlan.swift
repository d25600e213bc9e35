import Bytes

/// What is done with each stretch of a message, in its order, to convert it.
package struct ConversionPlan {
    enum Treatment {
        case copy
        case leaveOut
        /// This stands in its place.
        case replace([UInt8])
        /// What stands between parts, and means nothing (RFC 2046 §5.1.1): too long lines are cut, and bytes that are not
        /// ASCII become question marks.
        case plain
        case encode(TransferEncoder.Form)
    }

    struct Step {
        /// Where the stretch ends; it begins where the one before it ends.
        let end: Int
        let treatment: Treatment
    }

    let target: ConversionTarget
    let steps: [Step]
}

/// Converts a message by a plan, in pieces of any size; what it holds is a line's front.
package struct Converter {
    private let plan: ConversionPlan
    private var index = 0
    private var position = 0
    private var encoder: TransferEncoder?
    /// Of a line between parts.
    private var lineLength = 0
    private var hasBegun = false

    package init(_ plan: ConversionPlan) { self.plan = plan }

    package mutating func take(_ piece: ArraySlice<UInt8>) -> [UInt8] {
        var output: [UInt8] = []
        output.reserveCapacity(piece.count + piece.count / 4)
        var rest = piece
        while !rest.isEmpty, index < plan.steps.count {
            let part = rest.prefix(plan.steps[index].end - position)
            begin(&output)
            treat(part, &output)
            position += part.count
            rest = rest.dropFirst(part.count)
            if position == plan.steps[index].end { endStep(&output) }
        }
        return output
    }

    package mutating func finish() -> [UInt8] {
        var output: [UInt8] = []
        while index < plan.steps.count {
            begin(&output)
            endStep(&output)
        }
        return output
    }

    private mutating func begin(_ output: inout [UInt8]) {
        guard !hasBegun else { return }
        hasBegun = true
        switch plan.steps[index].treatment {
        case .replace(let text): output += text
        case .encode(let form): encoder = TransferEncoder(form)
        case .copy, .leaveOut, .plain: lineLength = 0
        }
    }

    private mutating func treat(_ part: ArraySlice<UInt8>, _ output: inout [UInt8]) {
        switch plan.steps[index].treatment {
        case .copy: output += part
        case .leaveOut, .replace: break
        case .plain: for byte in part { addPlain(byte, &output) }
        case .encode: encoder?.take(part, into: &output)
        }
    }

    private mutating func addPlain(_ byte: UInt8, _ output: inout [UInt8]) {
        if byte == .lf {
            lineLength = 0
        } else {
            lineLength += 1
            guard lineLength <= ConversionTarget.longestLine else { return }
        }
        output.append(byte.isASCII || !plan.target.isSevenBit ? byte : .ascii("?"))
    }

    private mutating func endStep(_ output: inout [UInt8]) {
        encoder?.finish(into: &output)
        encoder = nil
        hasBegun = false
        index += 1
    }
}
