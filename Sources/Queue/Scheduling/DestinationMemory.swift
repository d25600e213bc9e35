import Bytes
package import Unix

/// What is known of a destination that is failing: since when, how often it was tried, when it is tried
/// next, in which bucket its messages wait for that, and what it said last. They wait without an attempt of
/// their own.
package struct FailingDestination: Equatable {
    package var since: Time
    package var failures: Int
    package var next: Time
    package var bucket: Int64
    package var text: String

    /// `bucket`: that of `next` where it is not given.
    package init(since: Time, failures: Int, next: Time, bucket: Int64? = nil, text: String) {
        self.since = since
        self.failures = failures
        self.next = next
        self.bucket = bucket ?? next.seconds / 60
        self.text = text
    }

    package var encoded: [UInt8] {
        var bytes: [UInt8] = Array("relais-destination 1\nsince ".utf8)
        bytes.append(decimal: since.microseconds)
        bytes += [UInt8]("\nfailures ")
        bytes.append(decimal: failures)
        bytes += [UInt8]("\nnext ")
        bytes.append(decimal: next.microseconds)
        bytes += [UInt8]("\nbucket ")
        bytes.append(decimal: bucket)
        bytes += [UInt8]("\ntext ")
        // Bytes of a stranger's were escaped when he said them; once is enough.
        bytes += text.utf8.filter { !$0.isControl }.prefix(1000)
        return bytes + [.lf]
    }

    /// Nil for anything that `encoded` does not write: the file is advice, and may be torn.
    package init?(_ bytes: [UInt8]) {
        let lines = bytes.split(separator: .lf, omittingEmptySubsequences: false)
        guard lines.count == 7, lines[6].isEmpty, lines[0].elementsEqual("relais-destination 1".utf8),
            let since = Self.number(lines[1], "since "), let failures = Self.number(lines[2], "failures "),
            let next = Self.number(lines[3], "next "), let bucket = Self.number(lines[4], "bucket "),
            lines[5].starts(with: "text ".utf8),
            failures > 0, failures < 1_000_000
        else { return nil }
        self.init(
            since: Time(microseconds: since), failures: Int(failures), next: Time(microseconds: next),
            bucket: bucket, text: String(decoding: lines[5].dropFirst(5), as: UTF8.self))
    }

    private static func number(_ line: ArraySlice<UInt8>, _ key: String) -> Int64? {
        guard line.starts(with: key.utf8) else { return nil }
        return Int64(strictDecimal: line.dropFirst(key.utf8.count))
    }
}

/// `destinations/`, a file for each destination that is failing. All of it is advice: what cannot be read
/// or written makes the runner try where it need not have, and loses nothing. The files are looked at each
/// time, so that several hosts and the operator's commands agree.
package final class DestinationMemory {
    private let directory: Directory?

    /// No domain's name begins like that.
    private static let temporaryPrefix = "=."

    package init(queue: String) { directory = try? Directory("\(queue)/destinations") }

    package subscript(domain: [UInt8]) -> FailingDestination? {
        get {
            guard let name = Self.name(of: domain),
                let file = try? directory?.openIfPresent(name, .read),
                let bytes = try? file.readAll(limit: 4096)
            else { return nil }
            return FailingDestination(bytes)
        }
        set {
            guard let name = Self.name(of: domain) else { return }
            guard let newValue else {
                _ = try? directory?.removeIfPresent(name)
                return
            }
            // At one stroke: others look at it without a lock.
            let temporary = "\(Self.temporaryPrefix)\(Host.bareName).\(Identity.process)"
            do throws(SystemError) {
                guard let file = try directory?.open(temporary, .create(mode: 0o600)) else { return }
                try file.truncate(to: 0)
                try file.write(newValue.encoded)
                try directory?.replace(name, with: temporary)
            } catch { _ = try? directory?.removeIfPresent(temporary) }
        }
    }

    /// All that are failing, by domain; for people.
    package func all() -> [(domain: [UInt8], state: FailingDestination)] {
        guard let names = try? directory?.names() else { return [] }
        return names.sorted().compactMap { name in
            let domain = Self.domain(of: name)
            guard Self.name(of: domain) == name else { return nil }
            return self[domain].map { (domain, $0) }
        }
    }

    /// Files that say nothing, by name.
    func unreadable() -> [String] {
        guard let names = try? directory?.names() else { return [] }
        return names.sorted().filter { name in
            let domain = Self.domain(of: name)
            return Self.name(of: domain) != name || self[domain] == nil
        }
    }

    /// Forgets destinations that nobody asked about for `age` since their time to be tried again.
    package func clean(olderThan age: Duration, now: Time) -> Int {
        var removed = 0
        for (domain, state) in all() where now - state.next > age {
            self[domain] = nil
            removed += 1
        }
        return removed
    }

    /// The name of the file: letters of the domain, folded, with anything but `[a-z0-9.-]` as `=XX`. Nil
    /// when there is none that a filesystem takes.
    static func name(of domain: [UInt8]) -> String? {
        var name: [UInt8] = []
        for byte in domain {
            // A leading dot would be `.`, `..` or hidden.
            if byte.isLower || byte.isDigit || byte == .ascii("-") || (byte == .dot && !name.isEmpty) {
                name.append(byte)
            } else {
                let digits = [UInt8]("0123456789abcdef")
                name += [.ascii("="), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            }
        }
        guard !name.isEmpty, name.count <= 255 else { return nil }
        return String(decoding: name, as: UTF8.self)
    }

    static func domain(of name: String) -> [UInt8] {
        var domain: [UInt8] = []
        var rest = Array(name.utf8)[...]
        while let byte = rest.popFirst() {
            if byte == .ascii("="),
                let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16)
            {
                domain.append(value)
                rest = rest.dropFirst(2)
            } else {
                domain.append(byte)
            }
        }
        return domain
    }
}
