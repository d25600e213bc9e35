import Bytes
import IMAP
import MailStore
import Unix

/// Messages on their way into a mailbox, one behind the other in a file without a name: nothing is left of them when the
/// session ends, however it ends.
final class Spool {
    private let file: Descriptor
    private var start = 0
    private var end = 0
    private var lastWasCR = false

    init(in directory: String) throws(StoreFailure) {
        do throws(SystemError) {
            file = try Directory(directory).openScratch()
        } catch { throw StoreFailure(error) }
    }

    /// More of a message; kept with LF line ends.
    func write(_ bytes: [UInt8]) throws(StoreFailure) {
        var output: [UInt8] = []
        output.reserveCapacity(bytes.count + 1)
        // One that ended the part before it waits for what comes.
        if lastWasCR, let first = bytes.first, first != .lf { output.append(.cr) }
        if let last = bytes.last { lastWasCR = last == .cr }
        var start = 0
        var position = 0
        while let cr = bytes.firstIndex(of: .cr, from: position) {
            position = cr + 1
            guard position == bytes.count || bytes[position] == .lf else { continue }
            output.append(run: bytes[start..<cr])
            start = position
        }
        output.append(run: bytes[start...])
        try put(output)
    }

    private func put(_ bytes: [UInt8]) throws(StoreFailure) {
        do throws(SystemError) { try file.write(bytes) } catch { throw StoreFailure(error) }
        end += bytes.count
    }

    /// The message is whole, and can be read.
    func endMessage() throws(StoreFailure) -> Extents {
        if lastWasCR { try put([.cr]) }
        lastWasCR = false
        defer { start = end }
        return Extents(file: file.raw, offset: start, count: end - start, keeping: self)
    }

    /// A message of a mailbox, as it is there.
    func copy(_ source: any MessageBytes) throws(StoreFailure) -> Extents {
        while true {
            let part = try source.read(at: end - start, count: 1 << 16)
            if part.isEmpty { return try endMessage() }
            try put(part)
        }
    }
}
