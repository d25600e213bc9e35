import Bytes

/// Decides what is done with each part of a message, so that nothing of it is lost: a part that no server may be sent as it
/// is gets a transfer encoding, and says so in its header (RFC 2045 §6); what is signed or encrypted stays as it is, or
/// the message is not converted.
struct PlanMaker {
    private let root: Part
    private let stretches: [ConversionSurvey.Stretch]
    private let target: ConversionTarget
    private var index = 0
    private var steps: [ConversionPlan.Step] = []

    init(_ survey: ConversionSurvey, _ target: ConversionTarget) {
        root = survey.root
        stretches = survey.stretches
        self.target = target
    }

    mutating func plan() throws(ConversionRefusal) -> ConversionPlan {
        try visit(root, Place(isMessage: true, isTop: true))
        return ConversionPlan(target: target, steps: steps)
    }

    /// Where a part stands.
    private struct Place {
        /// A message, whose header says whether it is MIME.
        var isMessage = false
        var isTop = false
        /// Inside of something that must arrive as it was.
        var isProtected = false
        /// A part of a report (RFC 6522), which must get through.
        var isOfReport = false
    }

    private mutating func visit(_ part: Part, _ place: Place) throws(ConversionRefusal) {
        if part.isMultipart {
            try visit(multipart: part, place)
        } else if part.message == nil {
            try leaf(part, place)
        } else if target.isSevenBit, part.isGlobal, !place.isProtected {
            // RFC 6532 §3.5: this kind of message may be encoded as a whole; its header cannot.
            try whole(part, place)
        } else if place.isOfReport {
            try returned(part, place)
        } else {
            try message(part, place)
        }
    }

    private mutating func visit(multipart part: Part, _ place: Place) throws(ConversionRefusal) {
        if target.isSevenBit, part.contentType?.first("boundary")?.allSatisfy({ $0.isASCII }) != true {
            throw .header
        }
        try header(of: part, place, compositeEncoding(part))
        for (number, child) in part.children.enumerated() {
            try between(place)
            // RFC 1847 §2: the first part of a signed one is what was signed; of an encrypted one, none is touched.
            let isProtected =
                (number == 0 && part.subtype.equalsFolded("signed")) || part.subtype.equalsFolded("encrypted")
            try visit(
                child,
                Place(
                    isProtected: place.isProtected || isProtected,
                    isOfReport: part.subtype.equalsFolded("report")
                ))
        }
        try between(place)
    }

    private mutating func message(_ part: Part, _ place: Place) throws(ConversionRefusal) {
        guard let inner = part.message else { throw .unknownForm }
        try header(of: part, place, compositeEncoding(part))
        try visit(inner, Place(isMessage: true, isProtected: place.isProtected))
    }

    /// RFC 6522 §3: a report may return the header alone. It does where the message cannot be converted, as text, which may
    /// be encoded: a report always gets through.
    private mutating func returned(_ part: Part, _ place: Place) throws(ConversionRefusal) {
        let (firstStep, first) = (steps.count, index)
        do throws(ConversionRefusal) { return try message(part, place) } catch {
            guard !place.isProtected, let inner = part.message else { throw error }
            steps.removeSubrange(firstStep...)
            index = first
            var change = HeaderConverter(target: target)
            change.type = [UInt8]("text/rfc822-headers")
            change.encoding = "quoted-printable"
            try replaceHeader(of: part, change)
            add(inner.body.stored, .encode(.quotedPrintable))
            add(part.end.stored, .leaveOut)
            skip(to: part.end.stored)
        }
    }

    /// A message that is encoded as if it were text.
    private mutating func whole(_ part: Part, _ place: Place) throws(ConversionRefusal) {
        let header = index
        var traits = TextTraits()
        skip(to: part.end.stored, adding: &traits, from: header + 1)
        guard target.needs(traits) else {
            index = header
            return try message(part, place)
        }
        index = header
        let form: TransferEncoder.Form = traits.isShorterInBase64 ? .base64 : .quotedPrintable
        try self.header(of: part, place, Self.name(form))
        add(part.end.stored, .encode(form))
        skip(to: part.end.stored)
    }

    // MARK: - Bodies

    private mutating func leaf(_ part: Part, _ place: Place) throws(ConversionRefusal) {
        let traits = stretches[index + 1].traits
        guard target.needs(traits) else {
            // RFC 6152 §3: valid in seven bits is what also says so.
            try header(of: part, place, compositeEncoding(part))
            return next(.copy)
        }
        if place.isProtected { throw .protected }
        switch part.encodingKind {
        case .base64:
            try header(of: part, place, nil)
            next(.encode(.base64Again))
        case .quotedPrintable:
            try header(of: part, place, nil)
            next(.encode(.quotedPrintableAgain))
        case .other: throw .unknownForm
        case .none:
            // RFC 2045 §6.4: what consists of other parts must not be encoded; RFC 6533 §6 excepts its own types.
            let isComposite = part.type.equalsFolded("multipart") || part.type.equalsFolded("message")
            guard !isComposite || part.isGlobal else { throw .unknownForm }
            let form: TransferEncoder.Form = traits.isShorterInBase64 ? .base64 : .quotedPrintable
            var change = HeaderConverter(target: target)
            change.encoding = Self.name(form)
            change.addsVersion = place.isMessage && !part.hasField("MIME-Version")
            if part.contentType == nil { change.type = Self.type(of: traits) }
            try replaceHeader(of: part, change, place)
            next(.encode(form))
        }
    }

    private static func name(_ form: TransferEncoder.Form) -> StaticString {
        form == .base64 || form == .base64Again ? "base64" : "quoted-printable"
    }

    /// RFC 2045 §5.2 has US-ASCII where nothing is said; what is there instead is guessed, or said to be unknown (RFC 1428 §3).
    private static func type(of traits: TextTraits) -> [UInt8] {
        if !traits.hasEightBits { return [UInt8]("text/plain; charset=us-ascii") }
        return [UInt8](traits.isUTF8 ? "text/plain; charset=utf-8" : "text/plain; charset=unknown-8bit")
    }

    /// What stands between parts. Of a signed or encrypted part it is not what was signed.
    private mutating func between(_ place: Place) throws(ConversionRefusal) {
        guard target.needs(stretches[index].traits) else { return next(.copy) }
        if place.isProtected { throw .protected }
        next(.plain)
    }

    // MARK: - Headers

    /// What a part says that holds no byte beyond ASCII any more: 8bit is wrong then (RFC 2045 §6.2).
    private func compositeEncoding(_ part: Part) -> StaticString? {
        guard target.isSevenBit, let encoding = part.encoding,
            encoding.equalsFolded("8bit") || encoding.equalsFolded("binary")
        else { return nil }
        return "7bit"
    }

    private mutating func header(
        of part: Part, _ place: Place, _ encoding: StaticString?
    ) throws(ConversionRefusal) {
        let isNeeded = target.needs(stretches[index].traits)
        // What 8bit says of a protected part is more than there is, and harmless.
        guard isNeeded || (encoding != nil && !place.isProtected) else { return next(.copy) }
        if place.isProtected { throw .protected }
        var change = HeaderConverter(target: target)
        change.encoding = encoding
        try replaceHeader(of: part, change, place)
    }

    private mutating func replaceHeader(
        of part: Part, _ change: HeaderConverter, _ place: Place = Place()
    ) throws(ConversionRefusal) {
        let length = part.body.stored - part.start.stored
        // One that is larger than what is kept of it is not known.
        guard part.header.count >= length else { throw .unknownForm }
        if place.isTop, !target.encodesTopHeader, stretches[index].traits.hasEightBits { throw .header }
        guard let text = change.convert(part.header[..<length]) else { throw .header }
        next(.replace(text))
    }

    // MARK: - Steps

    private mutating func next(_ treatment: ConversionPlan.Treatment) {
        add(stretches[index].end, treatment)
        index += 1
    }

    private mutating func add(_ end: Int, _ treatment: ConversionPlan.Treatment) {
        steps.append(ConversionPlan.Step(end: end, treatment: treatment))
    }

    /// Passes over the stretches up to `end`.
    private mutating func skip(to end: Int) {
        var ignored = TextTraits()
        skip(to: end, adding: &ignored, from: index)
    }

    private mutating func skip(to end: Int, adding traits: inout TextTraits, from first: Int) {
        while index < stretches.count, stretches[index].end <= end {
            if index >= first { traits.add(stretches[index].traits) }
            index += 1
        }
    }
}
