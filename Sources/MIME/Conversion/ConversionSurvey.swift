/// What the parts of a message hold: the message goes through it in pieces, then a plan can be made.
package struct ConversionSurvey {
    /// A stretch of the message: a header, what stands between parts, or a body.
    struct Stretch {
        let end: Int
        var traits = TextTraits()
    }

    let root: Part
    /// In the order in which `PlanMaker` walks through the parts.
    private(set) var stretches: [Stretch] = []
    private var index = 0
    private var position = 0

    package init(_ root: Part) {
        self.root = root
        add(root)
    }

    private mutating func add(_ part: Part) {
        stretches.append(Stretch(end: part.body.stored))
        if part.isMultipart {
            for child in part.children {
                stretches.append(Stretch(end: child.start.stored))
                add(child)
            }
            stretches.append(Stretch(end: part.end.stored))
        } else if let message = part.message {
            add(message)
        } else {
            stretches.append(Stretch(end: part.end.stored))
        }
    }

    package mutating func take(_ piece: ArraySlice<UInt8>) {
        var rest = piece
        while index < stretches.count, !rest.isEmpty {
            let part = rest.prefix(stretches[index].end - position)
            stretches[index].traits.take(part)
            position += part.count
            rest = rest.dropFirst(part.count)
            if position == stretches[index].end { index += 1 }
        }
    }

    package func plan(_ target: ConversionTarget) throws(ConversionRefusal) -> ConversionPlan {
        var maker = PlanMaker(self, target)
        return try maker.plan()
    }
}
