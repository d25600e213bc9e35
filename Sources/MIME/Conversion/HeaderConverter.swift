import Bytes

/// Writes a header anew: ASCII if need be, in lines that are not too long, and with what is to be said of an encoding.
struct HeaderConverter {
    let target: ConversionTarget
    /// Instead of the Content-Transfer-Encoding that was there.
    var encoding: StaticString?
    /// Instead of the Content-Type that was there.
    var type: [UInt8]?
    /// Whether MIME-Version is missing and wanted (RFC 2045 §4).
    var addsVersion = false

    /// `header` with the empty line that ends it, if it has one; nil where a field cannot be written.
    func convert(_ header: ArraySlice<UInt8>) -> [UInt8]? {
        var output: [UInt8] = []
        var position = header.startIndex
        while position < header.endIndex, !isEmptyLine(header[position...]) {
            let end = endOfField(header, position)
            let field = header[position..<end]
            position = end
            if isReplaced(field) { continue }
            guard let written = convert(field: field) else { return nil }
            output += written
        }
        if let last = output.last, last != .lf, hasAdditions { output.append(.lf) }
        if addsVersion { output += "MIME-Version: 1.0\n" as StaticString }
        if let type { output += [UInt8]("Content-Type: ") + type + [.lf] }
        if let encoding {
            output += "Content-Transfer-Encoding: " as StaticString
            output += encoding
            output.append(.lf)
        }
        return output + header[position...]
    }

    private var hasAdditions: Bool { addsVersion || type != nil || encoding != nil }

    private func isEmptyLine(_ text: ArraySlice<UInt8>) -> Bool {
        text.first == .lf || (text.first == .cr && text.dropFirst().first == .lf)
    }

    private func endOfField(_ header: ArraySlice<UInt8>, _ start: Int) -> Int {
        var position = start
        repeat {
            position = (header.firstIndex(of: .lf, from: position) ?? header.endIndex - 1) + 1
        } while position < header.endIndex && header[position].isWhitespace
        return position
    }

    private func isReplaced(_ field: ArraySlice<UInt8>) -> Bool {
        let name = field.prefix { $0 != .ascii(":") }.trimmed()
        return (encoding != nil && name.equalsFolded("Content-Transfer-Encoding"))
            || (type != nil && name.equalsFolded("Content-Type"))
    }

    private func convert(field: ArraySlice<UInt8>) -> [UInt8]? {
        if target.isSevenBit, !field.allSatisfy({ $0.isASCII }) {
            // RFC 2047 §2: a line with encoded words is short.
            return HeaderFieldEncoder.encode(field).map { fold($0[...], ifLongerThan: Self.width) }
        }
        if let words = HeaderFieldEncoder.encodeLongWords(field) {
            return fold(words[...], ifLongerThan: Self.width)
        }
        return fold(field, ifLongerThan: ConversionTarget.longestLine)
    }

    // MARK: - Folding

    /// RFC 5322 §2.1.1: what a line should not exceed.
    private static let width = 78

    /// RFC 5322 §2.2.3: lines that are too long are broken in front of white space, which stays. Where there is none
    /// for too long, a blank comes in: that is as little as can be done to a line that nobody may send.
    private func fold(_ field: ArraySlice<UInt8>, ifLongerThan limit: Int) -> [UInt8] {
        var output: [UInt8] = []
        for line in field.split(separator: .lf, omittingEmptySubsequences: false) {
            if !output.isEmpty { output.append(.lf) }
            let text = line.last == .cr ? line.dropLast() : line
            if text.count <= limit { output += line } else { fold(line: trimmedAtEnd(text), &output) }
        }
        return output
    }

    private func trimmedAtEnd(_ line: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        var line = line
        while line.last?.isWhitespace == true { line.removeLast() }
        return line
    }

    private func fold(line: ArraySlice<UInt8>, _ output: inout [UInt8]) {
        var rest = line
        while rest.count > Self.width {
            if let place = foldingPlace(in: rest) {
                output += rest[..<place] + [.lf]
                rest = rest[place...]
                // No line consists of white space alone.
                let blanks = rest.prefix { $0.isWhitespace }.count
                if blanks > Self.width / 2 { rest = rest.dropFirst(blanks - 1) }
            } else if rest.count > ConversionTarget.longestLine {
                let place = cut(rest, ConversionTarget.longestLine)
                output += rest[..<place] + [.lf]
                rest = ([.space] + rest[place...])[...]
            } else {
                break
            }
        }
        output += rest
    }

    /// The last white space that leaves the line short, else the first that leaves it short enough; behind the name of a
    /// field and the first word at least.
    private func foldingPlace(in line: ArraySlice<UInt8>) -> Int? {
        let first = line.firstIndex { !$0.isWhitespace } ?? line.endIndex
        let word = line[first...].firstIndex { $0.isWhitespace } ?? line.endIndex
        let limit = min(line.endIndex, line.startIndex + ConversionTarget.longestLine + 1)
        guard word < limit else { return nil }
        var found = word
        var index = word
        while index < min(limit, line.startIndex + Self.width + 1) {
            if line[index].isWhitespace, !line[index - 1].isWhitespace { found = index }
            index += 1
        }
        return found
    }

    /// Where a line is cut: not inside a character.
    private func cut(_ line: ArraySlice<UInt8>, _ length: Int) -> Int {
        var place = line.startIndex + length
        var most = 3
        while most > 0, line[place] & 0xC0 == 0x80 {
            place -= 1
            most -= 1
        }
        return place
    }
}
