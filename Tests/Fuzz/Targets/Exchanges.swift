import Auth
import Bytes
import Unix

@testable import Delivery

extension FuzzTarget {
    /// What processes of ours say to each other over sockets that others may reach.
    static let exchanges = [
        FuzzTarget(name: "jobs", run: jobs), FuzzTarget(name: "reports", run: reports),
        FuzzTarget(name: "records", run: records),
    ]

    /// A deliverer to whom the input is said, with four files.
    private static func jobs(_ input: [UInt8]) throws {
        guard !input.isEmpty, input.count < 50_000 else { return }
        let pair = try DescriptorPair.sockets()
        let file = try pair.first.duplicate()
        try DescriptorPassing.send(input, with: Array(repeating: file.raw, count: 4), over: pair.first.raw)
        Socket.endWriting(pair.first.raw)
        let receiver = JobReceiver(over: pair.second.raw, patience: .seconds(5))
        guard let batch = try? receiver.receiveAll() else { return }
        for received in batch {
            try promise("a job is within its limits", received.job.isWithinLimits)
            try promise("a path is one line", !received.job.reversePath.contains { $0.isControl })
        }
    }

    /// A runner that has sent two jobs and is told the input.
    private static func reports(_ input: [UInt8]) throws {
        guard !input.isEmpty, input.count < 50_000 else { return }
        let pair = try DescriptorPair.sockets()
        let deliverer = try pair.second.duplicate()
        let sender = JobSender(adopting: try pair.first.duplicate())
        for number in 0..<2 {
            let job = Job(
                id: Array("m".utf8), arrival: Time(seconds: 1), reversePath: [], destination: .local([0x61]),
                contentOffset: 0, contentLength: 1,
                recipients: (0...number).map { .init(address: Array("a@b".utf8), index: $0) })
            try sender.send(job, file: deliverer)
        }
        try sender.endBatch()
        try deliverer.write(input)
        Socket.endWriting(deliverer.raw)
        var seen = 0
        while true {
            let progress = sender.receive()
            seen += progress.reports.count
            for report in progress.reports {
                try promise("a report is text", (report.text + report.relay).allSatisfy(\.isPrintable))
            }
            if progress.isOver { break }
        }
        try promise("one report a recipient", seen <= 3)
    }

    /// Logins, and what tls-relay and its callers say in front of the plaintext.
    private static func records(_ input: [UInt8]) throws {
        if let record = TLSRecord(input) {
            try promise("a record fits its length", record.framed.count <= 1 + TLSRecord.longest)
        }
        if let start = SessionStart(input[...]) {
            try promise("a start is read back", SessionStart(start.record[...]) == start)
        }
        _ = LoginRequest(input[...])
        _ = PlainMechanism(base64: input)
    }
}
