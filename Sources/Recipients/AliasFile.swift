import Bytes
package import Unix

/// What an entry of the aliases file says.
package struct Alias: Equatable {
    /// In lower case: `name`, of all local-domains; `name@domain`, of that one; `@domain`, of all there who have nothing else.
    package let name: [UInt8]
    package let targets: [Target]

    package init(_ name: [UInt8], _ targets: [Target]) {
        self.name = name
        self.targets = targets
    }

    package var isOfOneDomain: Bool { name.contains(.ascii("@")) }
    package var isCatchAll: Bool { name.first == .ascii("@") }
}

/// aliases(5): `name: target, target`, read anew for each question. No second file is built from it, so
/// none can be out of date; `newaliases` checks it.
package struct AliasFile {
    package enum Failure: Error, Equatable, CustomStringConvertible {
        case system(SystemError)
        /// Others than root may write it, and so run commands and get everybody's mail: why it is not followed.
        case unsafe(String)
        /// What is wrong, and the line where its entry begins.
        case malformed(String, line: Int)

        package var description: String {
            switch self {
            case .system(let error): error.description
            case .unsafe(let text): text
            case .malformed(let text, let line): "line \(line): \(text)"
            }
        }
    }

    package let path: String

    package init(_ path: String) { self.path = path }

    /// The alias of the first of `names`, which are folded, that has one; nil if the file (which may be missing) has none of
    /// them. Of two entries of one name the first counts.
    package func alias(ofAny names: [[UInt8]]) throws(Failure) -> Alias? {
        var found: (place: Int, entry: Entry)?
        try forEachEntry { entry throws(Failure) in
            let wanted = names[..<(found?.place ?? names.count)]
            if let place = wanted.firstIndex(where: { entry.name.equalsFolded($0) }) {
                found = (place: place, entry: entry)
            }
            return found?.place != 0
        }
        guard let found else { return nil }
        return Alias(names[found.place], try found.entry.targets())
    }

    package func targets(of name: [UInt8]) throws(Failure) -> [Target]? {
        try alias(ofAny: [name.folded()])?.targets
    }

    /// The domains, folded, that some of its names are of alone.
    package func domains() throws(Failure) -> Set<[UInt8]> {
        var domains: Set<[UInt8]> = []
        try forEachEntry { entry throws(Failure) in
            if let at = entry.name.lastIndex(of: .ascii("@")) {
                domains.insert(entry.name[(at + 1)...].folded())
            }
            return true
        }
        return domains
    }

    /// The file as it stands, for many questions at once.
    package final class Snapshot {
        private var entries: [[UInt8]: Entry] = [:]

        fileprivate init(_ file: AliasFile) throws(Failure) {
            try file.forEachEntry { entry throws(Failure) in
                let name = entry.name.folded()
                if entries[name] == nil { entries[name] = entry }
                return true
            }
        }

        package func alias(ofAny names: [[UInt8]]) throws(Failure) -> Alias? {
            for name in names {
                if let entry = entries[name] { return Alias(name, try entry.targets()) }
            }
            return nil
        }
    }

    package func snapshot() throws(Failure) -> Snapshot { try Snapshot(self) }

    package struct Entry {
        /// Empty if the line is no entry; then `targets` says so, and lookups pass it over.
        package let name: [UInt8]
        package let line: Int
        fileprivate let list: ArraySlice<UInt8>

        package func targets() throws(Failure) -> [Target] {
            guard !name.isEmpty else { throw .malformed("`name: target` expected", line: line) }
            var cursor = Cursor(list)
            do throws(SyntaxError) {
                let targets = try cursor.targets()
                guard !targets.isEmpty else { throw SyntaxError("target", at: 0) }
                return targets
            } catch {
                let name = name.escaped(limit: 64)
                let item = list.dropFirst(error.offset).prefix { $0 != .ascii(",") }.trimmed()
                guard item.isEmpty || error.production.description != "target" else {
                    throw .malformed(
                        "\(item.escaped(limit: 64)) in the list of \(name) is no target", line: line)
                }
                throw .malformed("\(error.production) expected in the list of \(name)", line: line)
            }
        }
    }

    /// Calls `body` with each entry until it returns false.
    package func forEachEntry(_ body: (Entry) throws(Failure) -> Bool) throws(Failure) {
        guard var lines = try open() else { return }
        while true {
            let line: LogicalLines.Line?
            do throws(LogicalLines.Failure) { line = try lines.next() } catch { throw Failure(error) }
            guard let line else { return }
            if try !body(Entry(line)) { return }
        }
    }

    private func open() throws(Failure) -> LogicalLines? {
        var fault: String?
        do throws(SystemError) {
            let file = try Path.openFile(path)
            fault = Self.fault(try file.status())
            if fault == nil { return LogicalLines(file) }
        } catch {
            if error.code == .noEntry { return nil }
            throw .system(error)
        }
        throw .unsafe(fault ?? "")
    }

    /// Who else may write it.
    private static func fault(_ status: FileStatus) -> String? {
        // Nothing stays in /dev/null, whoever writes it.
        guard status.kind == .regular else { return nil }
        if status.mode & 0o002 != 0 { return "can be written by everybody, and is not followed" }
        let isGroups = status.mode & 0o020 != 0 && status.group != 0
        return isGroups ? "can be written by its group, and is not followed" : nil
    }

}

extension AliasFile.Entry {
    /// `name ":" list`; a name in quotes may hold anything but a control byte.
    fileprivate init(_ line: LogicalLines.Line) {
        self.line = line.number
        var cursor = Cursor(line.bytes)
        var name: [UInt8] = []
        _ = cursor.take(while: { $0.isWhitespace })
        if cursor.skip(.quote) {
            while let byte = cursor.next(), byte != .quote {
                name.append(byte == .backslash ? cursor.next() ?? byte : byte)
            }
        } else {
            name = Array(cursor.take { $0 != .ascii(":") && !$0.isWhitespace })
        }
        _ = cursor.take(while: { $0.isWhitespace })
        let isEntry = cursor.skip(.ascii(":")) && !name.contains { $0.isControl }
        // A domain may be written as the complete name that it is.
        if name.last == .dot, name.contains(.ascii("@")) { name.removeLast() }
        self.name = isEntry ? name : []
        list = cursor.rest
    }
}

extension AliasFile.Entry {
    /// Why it is nobody's name.
    fileprivate func neverMatches(_ isLocal: ([UInt8]) -> Bool) -> String? {
        var shown: String { name.escaped(limit: 64) }
        if name == [.ascii("*")] {
            return "\(shown) matches no address: @domain stands for all of one domain"
        }
        guard let at = name.firstIndex(of: .ascii("@")) else { return nil }
        return isLocal(Array(name[(at + 1)...]))
            ? nil : "\(shown) matches no address: its domain is in neither local-domains nor virtual-domains"
    }
}

extension AliasFile.Failure {
    fileprivate init(_ failure: LogicalLines.Failure) {
        switch failure {
        case .system(let error): self = .system(error)
        case .tooLong(let line): self = .malformed("entry too long", line: line)
        }
    }
}

extension AliasFile {
    /// Everything wrong with the file, for newaliases and `queue-runner --check`: line (0: the whole file)
    /// and what; and how many entries are well. `isLocal`: whether this host has the mail of a domain.
    package func check(isLocal: ([UInt8]) -> Bool) -> (entries: Int, problems: [(line: Int, text: String)]) {
        var problems: [(line: Int, text: String)] = []
        var seen: Set<[UInt8]> = []
        do throws(Failure) {
            try forEachEntry { entry throws(Failure) in
                do throws(Failure) {
                    let targets = try entry.targets()
                    if let why = entry.neverMatches(isLocal) { problems.append((entry.line, why)) }
                    for case .include(let path) in targets {
                        guard let fault = ForwardFile.fault(ofListAt: path) else { continue }
                        let name = entry.name.escaped(limit: 64)
                        problems.append((entry.line, "\(path.escaped()), which \(name) includes: \(fault)"))
                    }
                    if !seen.insert(entry.name.folded()).inserted {
                        problems.append((entry.line, "duplicate entry \(entry.name.escaped(limit: 64))"))
                    }
                } catch {
                    guard case .malformed(let text, let line) = error else { throw error }
                    problems.append((line, text))
                }
                return true
            }
        } catch {
            switch error {
            case .system(let cause): problems.append((0, cause.description))
            case .unsafe(let text): problems.append((0, text))
            case .malformed(let text, let line): problems.append((line, text))
            }
        }
        return (seen.count, problems)
    }
}

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
