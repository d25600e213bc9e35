import Bytes
package import Unix

/// The queue-runner's end of a connection to a deliverer: jobs out, then an end mark, then reports in.
///
/// The deliverer reads to the end mark before it writes its first report, so neither can block the other.
/// `receive` takes what is there, for a runner that waits for many deliverers at once. What is malformed,
/// short or missing leaves its recipients in `outstanding`, which makes them deferred: never delivered by
/// mistake, never failed by mistake.
package final class JobSender {
    private let socket: Descriptor
    private let patience: Duration
    private var buffer: [UInt8] = []
    /// The recipients of each job that have no report yet.
    private var waiting: [Set<Int>] = []
    private var batchEnded = false

    /// `patience` bounds each wait for room to send.
    package init(adopting socket: consuming Descriptor, patience: Duration = .seconds(30)) {
        self.socket = socket
        self.patience = patience
    }

    /// What to poll for reading once the batch has been ended.
    package var raw: CInt { socket.raw }
    package var hasRoom: Bool { waiting.count < Job.mostInBatch }
    package var isEmpty: Bool { waiting.isEmpty }
    package var jobCount: Int { waiting.count }
    /// Whether every recipient of a job has its report.
    package func isComplete(_ job: Int) -> Bool { waiting[job].isEmpty }

    /// Hands over a job with its message, opened anew for reading: a descriptor that holds the message's
    /// lock must not travel. Reports name the job by its place in the batch, counted from 0.
    package func send(_ job: Job, file: borrowing Descriptor) throws(ExchangeError) {
        guard hasRoom, !batchEnded, job.isWithinLimits else { throw .tooLarge }
        waiting.append(Set(job.recipients.map { $0.index }))
        try transmit(job.framed(), with: [file.raw])
    }

    /// Ends the batch: the deliverer begins.
    package func endBatch() throws(ExchangeError) {
        guard !batchEnded else { throw .ended }
        batchEnded = true
        try transmit(RecordWriter(Job.endOfBatch).framed(), with: [])
    }

    /// Says that no further message is to be committed; what is reported until then still comes.
    package func giveUp() { Socket.endWriting(socket.raw) }

    /// A batch of which a part is missing is none: the deliverer is told so by the end of what it reads, and
    /// does nothing.
    private func transmit(_ frame: [UInt8], with files: [CInt]) throws(ExchangeError) {
        do throws(ExchangeError) { try put(frame, with: files) } catch {
            batchEnded = true
            giveUp()
            throw error
        }
    }

    private func put(_ frame: [UInt8], with files: [CInt]) throws(ExchangeError) {
        let stream = ByteStream(input: socket.raw, output: socket.raw, patience: patience)
        // The file goes with the first part, which is small enough never to block once poll says so.
        let head = Array(frame.prefix(4096))
        do throws(SystemError) {
            guard try Poll.wait(socket.raw, for: .writing, until: .after(patience)) else {
                throw SystemError("poll", .timedOut, "")
            }
            try DescriptorPassing.send(head, with: files, over: socket.raw)
        } catch { throw error.code == .timedOut ? .timedOut : .ended }
        do throws(StreamError) {
            try stream.write(frame.dropFirst(head.count))
            try stream.flush()
        } catch { throw ExchangeError(error) }
    }

    /// What one `receive` brought.
    package struct Progress: Equatable {
        package var reports: [Report] = []
        /// No more will come: the deliverer said so, or `failure` tells what went wrong.
        package var isOver = false
        package var failure: ExchangeError?
    }

    /// Reads what has arrived; call it when `raw` can be read.
    package func receive() -> Progress {
        var progress = Progress()
        do throws(SystemError) {
            if try File.append(socket.raw, to: &buffer, upTo: 16384) == 0 {
                return Progress(isOver: true, failure: .ended)
            }
        } catch { return Progress(isOver: true, failure: .ended) }
        var start = buffer.startIndex
        do throws(ExchangeError) {
            while case .whole(let payload, let size) = try frame(at: start), !progress.isOver {
                if let report = try accept(payload) {
                    progress.reports.append(report)
                } else {
                    progress.isOver = true
                }
                start += size
            }
        } catch {
            progress.isOver = true
            progress.failure = error
        }
        buffer.removeSubrange(..<start)
        return progress
    }

    private func frame(at start: Int) throws(ExchangeError) -> Netstring.Frame {
        let frame = Netstring.read(buffer[start...], limit: Report.longestRecord)
        if frame == .malformed { throw .malformed("netstring") }
        return frame
    }

    /// A report that was due; nil for the end mark.
    private func accept(_ payload: ArraySlice<UInt8>) throws(ExchangeError) -> Report? {
        do throws(SyntaxError) {
            var record = try RecordReader(payload)
            let kind = try record.bytes(limit: 8, "kind")
            if kind.elementsEqual(Array(Report.endOfReports)) {
                try record.end("end")
                return nil
            }
            guard kind.elementsEqual(Array(Report.kind)) else { throw SyntaxError("kind", at: 0) }
            let report = try Report(&record)
            guard report.job < waiting.count, waiting[report.job].remove(report.recipient) != nil else {
                throw SyntaxError("recipient that is waiting", at: 0)
            }
            return report
        } catch { throw .malformed(error.production) }
    }

    /// The recipients without a report: job, and index of the recipient, in order.
    package var outstanding: [(job: Int, recipient: Int)] {
        waiting.enumerated().flatMap { job, recipients in recipients.sorted().map { (job, $0) } }
    }
}
