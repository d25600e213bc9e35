import Bytes
package import Unix

/// The logical lines of an aliases file: comments and empty lines left out, lines that begin with white
/// space joined to the one before. Reads as it goes; no more than one logical line is held.
package struct LogicalLines: ~Copyable {
    package struct Line: Equatable {
        /// The number of its first physical line, from 1.
        package let number: Int
        package let bytes: [UInt8]
    }

    package enum Failure: Error, Equatable {
        case tooLong(line: Int)
        case system(SystemError)
    }

    /// Enough for a list of ten thousand addresses.
    package static let longest = 1 << 20

    private static let byteOrderMark: [UInt8] = [0xEF, 0xBB, 0xBF]

    private let file: Descriptor
    private var buffer: [UInt8] = []
    private var start = 0
    private var sawEnd = false
    private var number = 0
    /// The first physical line of the next logical one, read to know where the one before ended.
    private var ahead: Line?
    private var failure: Failure?

    package init(_ file: consuming Descriptor) { self.file = file }

    package mutating func next() throws(Failure) -> Line? {
        if let failure { throw failure }
        if ahead == nil { ahead = try physicalLine() }
        guard var line = ahead else { return nil }
        ahead = nil
        while let more = physicalLineOrFailure() {
            guard more.bytes.first?.isWhitespace == true else {
                ahead = more
                break
            }
            guard line.bytes.count + more.bytes.count <= Self.longest else {
                throw .tooLong(line: line.number)
            }
            line = Line(number: line.number, bytes: line.bytes + more.bytes)
        }
        return line
    }

    /// Looks at the line behind the one that is ready; what is wrong there is told when it is asked for.
    private mutating func physicalLineOrFailure() -> Line? {
        do throws(Failure) { return try physicalLine() } catch {
            failure = error
            return nil
        }
    }

    /// The next line that says something, without its end.
    private mutating func physicalLine() throws(Failure) -> Line? {
        while var line = try rawLine() {
            number += 1
            // What some editors put in front of a file.
            if number == 1, line.starts(with: Self.byteOrderMark) { line = line.dropFirst(3) }
            let said = line.trimmed()
            if said.isEmpty || said.first == .ascii("#") { continue }
            return Line(number: number, bytes: Array(line))
        }
        return nil
    }

    private mutating func rawLine() throws(Failure) -> ArraySlice<UInt8>? {
        var searched = start
        while true {
            if let end = buffer.firstIndex(of: .lf, from: searched) {
                defer { start = end + 1 }
                let line = buffer[start..<end]
                return line.last == .cr ? line.dropLast() : line
            }
            guard buffer.count - start <= Self.longest else { throw .tooLong(line: number + 1) }
            if sawEnd {
                defer { start = buffer.count }
                return start < buffer.count ? buffer[start...] : nil
            }
            buffer.removeSubrange(..<start)
            start = 0
            searched = buffer.count
            do throws(SystemError) {
                sawEnd = try File.append(file.raw, to: &buffer, upTo: 32768) == 0
            } catch { throw .system(error) }
        }
    }
}
