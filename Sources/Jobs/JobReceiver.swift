import Bytes
import Mail
package import Unix

/// A deliverer's end of the connection: all jobs in, then reports out. What does not come whole and in
/// order to its end mark is refused as a batch: nothing is delivered, and the runner defers it all.
package final class JobReceiver {
    /// A job with its message. The file is read by position only: its offset is shared with the runner.
    package final class Received {
        package let job: Job
        package let file: Descriptor

        init(_ job: Job, _ file: consuming Descriptor) {
            self.job = job
            self.file = file
        }
    }

    private let socket: CInt
    private let patience: Duration
    private var buffer: [UInt8] = []
    private var start = 0
    /// Files that came and whose jobs have not been read yet, in order.
    private var files: [PassedFile] = []
    private let output: ByteStream

    /// Works over a borrowed connected stream socket (descriptor 0 under inetd).
    package init(over socket: CInt, patience: Duration = .seconds(60)) {
        self.socket = socket
        self.patience = patience
        output = ByteStream(input: socket, output: socket, patience: patience)
    }

    /// The whole batch, within `patience`.
    package func receiveAll() throws(ExchangeError) -> [Received] {
        let deadline = Deadline.after(patience)
        var batch: [Received] = []
        while let job = try nextJob(by: deadline) {
            guard batch.count < Job.mostInBatch else { throw .malformed("batch") }
            guard let file = files.first?.take() else { throw .malformed("file") }
            files.removeFirst()
            batch.append(Received(job, file))
        }
        guard files.isEmpty else { throw .malformed("file") }
        return batch
    }

    /// The next job, nil at the end mark.
    private func nextJob(by deadline: Deadline) throws(ExchangeError) -> Job? {
        while true {
            switch Netstring.read(buffer[start...], limit: Job.longestRecord) {
            case .malformed: throw .malformed("netstring")
            case .incomplete: try fill(by: deadline)
            case .whole(let payload, let size):
                start += size
                return try Self.job(in: payload)
            }
        }
    }

    private static func job(in payload: ArraySlice<UInt8>) throws(ExchangeError) -> Job? {
        do throws(SyntaxError) {
            var record = try RecordReader(payload)
            let kind = try record.bytes(limit: 8, "kind")
            if kind.elementsEqual(Array(Job.endOfBatch)) {
                try record.end("end")
                return nil
            }
            guard kind.elementsEqual(Array(Job.kind)) else { throw SyntaxError("kind", at: 0) }
            return try Job(&record)
        } catch { throw .malformed(error.production) }
    }

    private func fill(by deadline: Deadline) throws(ExchangeError) {
        if start > 0 {
            buffer.removeSubrange(..<start)
            start = 0
        }
        let came: Bool
        do throws(SystemError) {
            guard try Poll.wait(socket, for: .reading, until: deadline) else {
                throw SystemError("poll", .timedOut, "")
            }
            let part = try DescriptorPassing.receive(upTo: 65536, over: socket)
            files += part.files.map { PassedFile($0) }
            buffer += part.bytes
            came = !part.bytes.isEmpty
        } catch { throw error.code == .timedOut ? .timedOut : .ended }
        guard came else { throw .ended }
        // A job has one file; more than the batch may have jobs is an attack on our descriptors.
        guard files.count <= Job.mostInBatch else { throw .malformed("file") }
    }

    /// What can be read once the runner gives up or is gone, and not before.
    package var raw: CInt { socket }

    /// Whether the runner went away, and with it the claim on the messages: asked before each commit point.
    /// (It sends nothing behind the end mark, so whatever can be read then is the end.)
    package var runnerIsGone: Bool {
        (try? Poll.wait(socket, for: .reading, until: .after(.zero))) ?? true
    }

    /// Queues a report; it is sent when enough have gathered, by `flush`, or by `finish`.
    package func report(_ report: Report) throws(ExchangeError) {
        do throws(StreamError) { try output.write(report.framed()) } catch { throw ExchangeError(error) }
    }

    /// Sends the reports so far: worth it before a long wait.
    package func flush() throws(ExchangeError) {
        do throws(StreamError) { try output.flush() } catch { throw ExchangeError(error) }
    }

    /// For a deliverer that cannot do its work, whatever the mail: takes the jobs and gives them all back. They
    /// wait without an attempt until it is mended.
    package func refuseAll(_ reason: String) {
        guard let jobs = try? receiveAll() else { return }
        for (number, received) in jobs.enumerated() {
            for recipient in received.job.recipients {
                var report = Report(
                    job: number, recipient: recipient.index, .deferred, EnhancedStatus(4, 3, 5), reason.utf8,
                    relay: [UInt8]("none".utf8))
                report.isOfDeliverer = true
                try? self.report(report)
            }
        }
        try? finish()
    }

    /// Says that there are no more reports.
    package func finish() throws(ExchangeError) {
        do throws(StreamError) {
            try output.write(RecordWriter(Report.endOfReports).framed())
            try output.flush()
        } catch { throw ExchangeError(error) }
    }
}

/// A file that came over a socket: owned, and closed if nobody takes it.
private final class PassedFile {
    private var file: Descriptor?

    init(_ raw: CInt) { file = Descriptor(adopting: raw) }

    func take() -> Descriptor? {
        var taken: Descriptor?
        swap(&taken, &file)
        return taken
    }
}
