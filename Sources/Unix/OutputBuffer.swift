/// Text on its way to a descriptor, in large pieces. The first failure ends it: what is written later goes
/// nowhere, and whoever makes much should look at `hasFailed` now and then.
package final class OutputBuffer {
    private let raw: CInt
    private var gathered: [UInt8] = []
    private var failure: SystemError?

    private static let limit = 1 << 16

    package init(_ raw: CInt) { self.raw = raw }

    package var hasFailed: Bool { failure != nil }

    package func write(_ bytes: [UInt8]) {
        gathered += bytes
        if gathered.count >= Self.limit { flush() }
    }

    package func write(_ text: String) {
        gathered += text.utf8
        if gathered.count >= Self.limit { flush() }
    }

    private func flush() {
        if failure == nil {
            do throws(SystemError) { try File.writeAll(raw, gathered) } catch { failure = error }
        }
        gathered.removeAll(keepingCapacity: true)
    }

    /// Writes what is left. A reader that has seen enough (`| head`) is no failure.
    package func finish() throws(SystemError) {
        flush()
        if let failure, failure.code != .brokenPipe { throw failure }
    }
}
