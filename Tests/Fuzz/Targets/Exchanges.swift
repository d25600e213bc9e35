import Front
import Bytes
import Jobs
import Mail
import SASL
import Unix

extension FuzzTarget {
    /// What processes of ours say to each other over sockets that others may reach.
    static let exchanges = [
        FuzzTarget(name: "jobs", run: jobs), FuzzTarget(name: "reports", run: reports),
        FuzzTarget(name: "records", run: records), FuzzTarget(name: "sasl", run: sasl),
        FuzzTarget(name: "sasl-client", run: saslClient),
    ]

    /// A deliverer to whom the input is said, with four files.
    private static func jobs(_ input: [UInt8], _ seen: inout Findings) throws(Violation) {
        guard !input.isEmpty, input.count < 50_000 else { return }
        let pair = try system { () throws(SystemError) in
            let pair = try DescriptorPair.sockets()
            let file = try pair.first.duplicate()
            try DescriptorPassing.send(
                input, with: Array(repeating: file.raw, count: 4), over: pair.first.raw)
            Socket.endWriting(pair.first.raw)
            return pair
        }
        let receiver = JobReceiver(over: pair.second.raw, patience: .seconds(5))
        guard let batch = try? receiver.receiveAll() else { return seen.noteNone("batch") }
        for received in batch {
            let job = received.job
            try promise(
                "a job is within its limits",
                1...Job.mostRecipients ~= job.recipients.count && job.reversePath.count <= Job.longestPath)
            try promise("a path is one line", !job.reversePath.contains { $0.isControl })
            seen.note("job", job.id)
            seen.note("from", job.reversePath)
            switch job.destination {
            case .remote(let domain): seen.note("remote", domain)
            case .local(let user): seen.note("local", user)
            }
            seen.note("numbers", job.arrival.microseconds, Int64(job.contentOffset), Int64(job.contentLength))
            for recipient in job.recipients {
                seen.note("to", recipient.address)
                seen.note("parameters", recipient.parameters)
            }
        }
    }

    /// A runner that has sent two jobs and is told the input.
    private static func reports(_ input: [UInt8], _ seen: inout Findings) throws(Violation) {
        guard !input.isEmpty, input.count < 50_000 else { return }
        let sender = try system { () throws(SystemError) in
            let pair = try DescriptorPair.sockets()
            let deliverer = try pair.second.duplicate()
            let sender = JobSender(adopting: try pair.first.duplicate())
            for number in 0..<2 { send(number, by: sender, with: deliverer) }
            try? sender.endBatch()
            try deliverer.write(input)
            Socket.endWriting(deliverer.raw)
            return sender
        }
        var count = 0
        while true {
            let progress = sender.receive()
            for report in progress.reports {
                try promise("a report is text", (report.text + report.relay).allSatisfy { $0.isPrintable })
                note(report, &seen)
            }
            count += progress.reports.count
            if let failure = progress.failure { seen.note("failure", failure.description) }
            if progress.isOver { break }
        }
        try promise("one report a recipient", count <= 3)
    }

    private static func send(_ number: Int, by sender: JobSender, with file: borrowing Descriptor) {
        let job = Job(
            id: Array("m".utf8), arrival: Time(seconds: 1), reversePath: [], destination: .local([0x61]),
            contentOffset: 0, contentLength: 1,
            recipients: (0...number).map { .init(address: Array("a@b".utf8), index: $0) })
        try? sender.send(job, file: file)
    }

    private static func note(_ report: Report, _ seen: inout Findings) {
        seen.note("report", Int64(report.job), Int64(report.recipient), Int64(report.verdict.rawValue))
        seen.note("status", report.status.description)
        seen.note("text", report.text)
        seen.note("relay", report.relay)
        seen.note("answerable", ifAny: report.answerable)
        for copy in report.forward?.copies ?? [] {
            seen.note("copy from", ifAny: copy.reversePath)
            for successor in copy.recipients { seen.note("to", successor.address) }
        }
    }

    /// Logins, and what tls-relay and its callers say in front of the plaintext.
    private static func records(_ input: [UInt8], _ seen: inout Findings) throws(Violation) {
        if let record = TLSRecord(input) {
            try promise("a record fits its length", record.framed.count <= 1 + TLSRecord.longest)
            seen.note("record", record.framed)
        }
        if let start = SessionStart(input[...]) {
            try promise("a start is read back", SessionStart(start.record[...]) == start)
            seen.note("start", start.record)
        }
        seen.note("login", ifAny: LoginRequest(input[...])?.framed)
    }

    /// Lines of a client that authenticates: the first is what stood in its command, if anything.
    private static func sasl(_ input: [UInt8], _ seen: inout Findings) throws(Violation) {
        for mechanism in Mechanism.allCases {
            var exchange = LineExchange(mechanism)
            var lines = input.split(separator: .lf, omittingEmptySubsequences: false).map { Array($0) }
            let initial = lines.removeFirst()
            var step = exchange.begin(initial.isEmpty ? nil : initial)
            while case .challenge(let text) = step {
                try promise("a challenge is one line", !text.contains { $0.isControl || $0 == .space })
                seen.note("challenge", text)
                guard !lines.isEmpty else { return }
                step = exchange.take(lines.removeFirst())
            }
            switch step {
            case .verify(let its):
                try promise("somebody is named", !its.user.isEmpty && !its.user.contains(.nul))
                try promise("there is a password", !its.password.isEmpty && !its.password.contains(.nul))
                seen.note("user", its.user)
                seen.note("password", its.password)
            case .challenge: break
            case .malformed: seen.note("end", "malformed")
            case .cancelled: seen.note("end", "cancelled")
            case .unreadable: seen.note("end", "unreadable")
            }
            for line in lines {
                if case .verify = exchange.take(line) { try promise("one login an exchange", false) }
            }
        }
    }

    /// Challenges of a server at which we log in, a line each. With functions that are none: it is the form that is tried.
    private static func saslClient(_ input: [UInt8], _ seen: inout Findings) throws(Violation) {
        let functions = SCRAMFunctions(
            hash: { [UInt8($0.count & 255)] },
            hmac: { key, text in [key.first ?? 0, UInt8(text.count & 255)] },
            derive: { password, salt, count in [UInt8(count & 255)] + salt.prefix(8) + password })
        let credentials = Credentials(user: Array("u,=".utf8), password: Array("p".utf8))
        for mechanism in ClientMechanism.allCases {
            var exchange = ClientExchange(mechanism, credentials, nonce: Array("n".utf8), functions)
            seen.note("initial", ifAny: exchange.initialResponse())
            var responses = 0
            for line in input.split(separator: .lf, omittingEmptySubsequences: false) {
                guard let response = exchange.respond(to: Array(line)) else {
                    try promise("it is over", exchange.respond(to: Array(line)) == nil)
                    break
                }
                responses += 1
                seen.note("response", response)
            }
            try promise("an exchange ends", responses <= 2)
            if mechanism == .scramSHA256 {
                try promise("a proof has two answers", !exchange.isProven || responses == 2)
            }
        }
    }
}
