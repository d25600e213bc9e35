import Bytes
import Unix

/// One thing in a store that is not as it should be.
package struct StoreFinding {
    package enum Remedy: Equatable {
        /// It is mended; what is done then.
        case done(String)
        /// Somebody has to look into it.
        case left
        /// Nothing is wrong with it: it is said, and stays.
        case harmless
    }

    package let path: String
    /// The same at each look, whatever is counted.
    let kind: String
    /// How many, and which.
    let detail: String
    package let remedy: Remedy

    package var what: String { detail.isEmpty ? kind : "\(kind): \(detail)" }

    func isSame(as other: StoreFinding) -> Bool { path == other.path && kind == other.kind }
}

/// What one look found.
struct StoreFindings {
    private(set) var all: [StoreFinding] = []

    private static let mostNamed = 5

    mutating func add(_ path: String, _ kind: String, detail: String = "", _ remedy: StoreFinding.Remedy) {
        all.append(StoreFinding(path: path, kind: kind, detail: detail, remedy: remedy))
    }

    /// Where `items` is empty nothing was found.
    mutating func add(
        _ path: String, _ kind: String, of items: [String], _ remedy: StoreFinding.Remedy
    ) {
        if items.isEmpty { return }
        var detail = items.prefix(Self.mostNamed).joined(separator: ", ")
        if items.count > Self.mostNamed { detail += " and \(items.count - Self.mostNamed) more" }
        add(path, kind, detail: detail, remedy)
    }

    mutating func add(_ path: String, _ kind: String, of names: [[UInt8]], _ remedy: StoreFinding.Remedy) {
        add(path, kind, of: names.map { $0.escaped(limit: 80) }, remedy)
    }

    mutating func add(_ path: String, _ kind: String, of lines: [Int], _ remedy: StoreFinding.Remedy) {
        add(path, kind, of: lines.map { "\($0)" }, remedy)
    }

    /// What cannot be looked at.
    mutating func add(_ path: String, _ error: SystemError) {
        add(path, "cannot be looked at", detail: "\(error)", .left)
    }

    /// Runs a look that can fail.
    mutating func add(
        _ path: String, _ body: (inout StoreFindings) throws(SystemError) -> Void
    ) {
        do throws(SystemError) { try body(&self) } catch { add(path, error) }
    }
}
