#if DEBUG
    import Bytes
    import Jobs
    import Queue
    import Testing
    import Unix

    @testable import Running

    /// A runner that is cut off at whatever call, and another that goes on: nothing is lost, and nothing told twice.
    @Suite struct CrashTests {
        /// One recipient has it, one never will, one is forwarded, and one's host fails.
        private static func answer(_ connection: Connection) {
            for (number, job) in connection.jobs.enumerated() {
                for recipient in job.recipients {
                    let verdict: Report.Verdict =
                        switch recipient.address.first {
                        case .ascii("f"): .failed
                        case .ascii("s"): .forwarded
                        default: .delivered
                        }
                    let forward = Report.Forward(
                        copies: [.init(recipients: [Successor(Array("else@two.example".utf8))])])
                    connection.report(
                        number, verdict, "said so", forward: verdict == .forwarded ? forward : nil,
                        only: [recipient.index])
                }
            }
            connection.finish()
        }

        /// How many calls the first run made.
        private func attempt(_ fault: SystemCall.Fault, at number: Int) throws -> Int {
            let queue = try TemporaryQueue()
            queue.world.behaviour = Self.answer
            let id = try queue.inject(
                from: "ann@far.example", to: "delivered@one.example", "fails@one.example",
                "sent-on@example.org")
            let runner = try queue.runner()
            SystemCall.arm(fault, at: number)
            try? runner.run()
            let calls = SystemCall.callCount
            SystemCall.arm(.none, at: 0)
            _ = consume runner
            // What waits, waits no longer than the first interval.
            for _ in 0..<3 {
                queue.world.goOn(.seconds(360))
                try queue.run()
            }
            // A log without its message is all that may be left (S8 of queue(5)).
            _ = try QueueDirectory(queue.path).clean()
            #expect(try queue.isEmpty, "call \(number)")
            let others = queue.world.jobs.filter { $0.id != id.bytes }
            let reports = Set(others.filter { $0.reversePath.isEmpty }.map { $0.id })
            let copies = Set(others.filter { !$0.reversePath.isEmpty }.map { $0.id })
            #expect(reports.count == 1 && copies.count == 1, "call \(number)")
            let delivered = queue.world.jobs.filter {
                $0.id == id.bytes && $0.recipients.contains { $0.index == 1 }
            }
            #expect(!delivered.isEmpty, "call \(number)")
            return calls
        }

        @Test(
            "whatever call of a run fails from there on, the next runner ends the message: one report, one copy"
        )
        func cutOff() throws {
            let calls = try attempt(.none, at: 0)
            #expect(calls > 50)
            for number in 1...calls { _ = try attempt(.failFromThere(.inputOutput), at: number) }
        }

        @Test("whatever one call of a run fails, the message ends: one report, one copy")
        func oneCall() throws {
            let calls = try attempt(.none, at: 0)
            for number in 1...calls { _ = try attempt(.fail(.noSpace), at: number) }
        }

        @Test(
            "an operator who moves a message at any moment of a run has it, or the deliverer has: never both, never none"
        )
        func moved() throws {
            /// How many calls the run made, and whether the operator got the message.
            func attempt(at number: Int) throws -> (calls: Int, isHeld: Bool) {
                let queue = try TemporaryQueue()
                let id = try queue.inject(to: "x@one.example")
                let runner = try queue.runner()
                let operators = try QueueDirectory(queue.path)
                var isHeld = false
                SystemCall.arm(
                    .run {
                        guard case .claimed(let message)? = try? operators.claim(id, in: .incoming) else {
                            return
                        }
                        isHeld = (try? operators.move(message, to: .hold)) != nil
                    }, at: number)
                try runner.run()
                let calls = SystemCall.callCount
                SystemCall.arm(.none, at: 0)
                #expect(try queue.names("hold") == (isHeld ? [id.text] : []), "call \(number)")
                #expect(queue.world.jobs.count == (isHeld ? 0 : 1), "call \(number)")
                #expect(try queue.names("incoming").isEmpty && queue.names("log").isEmpty, "call \(number)")
                return (calls, isHeld)
            }
            let calls = try attempt(at: 0).calls
            let held = try (1...calls).map { try attempt(at: $0).isHeld }
            // Before the claim, and not behind it.
            #expect(held.first == true && held.last == false)
        }

        @Test("a report that waits for its own attempt is not made again by a runner that finds it owed")
        func made() throws {
            let queue = try TemporaryQueue()
            let id = try queue.inject(to: "x@one.example")
            let message = try #require(try queue.claim(id))
            let log = try #require(try MessageLog.open(for: message, in: queue.queue, creating: true))
            try log.append([
                LogEvent(time: queue.world.now, recipient: 1, kind: .failed, status: "5.1.1", text: "no")
            ])
            // As its maker left it, who did not come to write it down.
            let report = id.derived(1_000_001, at: message.arrival)
            _ = consume message
            let injection = try Injection(
                queue: queue.path,
                envelope: Envelope(
                    reversePath: [], parameters: [], recipients: [.init(Array("ann@example.org".utf8))]),
                id: report)
            try injection.commit(kick: nil)
            let made = try #require(try queue.claim(report))
            try queue.queue.move(made, to: queue.bucket(in: 30))
            _ = consume made
            try queue.run()
            #expect(try queue.names("incoming").isEmpty && queue.names("log").isEmpty)
            #expect(try queue.names("deferred").count == 1 && queue.world.jobs.isEmpty)
            #expect(queue.logged("\(id): sender non-delivery notification: \(report)").count == 1)
        }

        @Test("a runner that goes on leaves no log of a message that ended, whatever call failed when it did")
        func leftLogs() throws {
            func attempt(at number: Int) throws -> Int {
                let queue = try TemporaryQueue()
                queue.world.behaviour = { $0.answerAll(.deferred, "full") }
                try queue.inject(to: "x@one.example")
                try queue.run()
                queue.world.goOn(.seconds(300))
                queue.world.behaviour = { $0.deliverAll() }
                let runner = try queue.runner(.watch, kicks: try queue.listen())
                SystemCall.arm(.fail(.inputOutput), at: number)
                for _ in 0..<3 { _ = try? runner.goRound() }
                let calls = SystemCall.callCount
                SystemCall.arm(.none, at: 0)
                let begin = queue.world.monotonic
                while queue.world.monotonic - begin < 600_000_000 { _ = try runner.goRound() }
                #expect(try queue.isEmpty, "call \(number)")
                return calls
            }
            for number in 1...(try attempt(at: 0)) { _ = try attempt(at: number) }
        }

        @Test(
            "a runner that could not write down what it did, and goes on, makes no second report or copy of what came in its own time"
        )
        func goingOn() throws {
            let forward = Report.Forward(
                copies: [.init(recipients: [Successor(Array("else@two.example".utf8))])])
            func attempt(at number: Int, _ verdict: Report.Verdict) throws -> Int {
                let queue = try TemporaryQueue()
                queue.world.behaviour = { connection in
                    // The report, or the copy, waits.
                    let isFirst = connection.jobs[0].recipients[0].address.first == .ascii("x")
                    for job in connection.jobs.indices {
                        connection.report(
                            job, isFirst ? verdict : .deferred, forward: isFirst ? forward : nil)
                    }
                    connection.finish()
                }
                let runner = try queue.runner(.watch, kicks: try queue.listen())
                try queue.inject(from: "ann@far.example", to: "x@one.example")
                SystemCall.arm(.fail(.noSpace), at: number)
                for _ in 0..<3 { _ = try? runner.goRound() }
                let calls = SystemCall.callCount
                SystemCall.arm(.none, at: 0)
                // A forward that failed is tried again after its interval.
                let begin = queue.world.monotonic
                while queue.world.monotonic - begin < 600_000_000 { _ = try runner.goRound() }
                #expect(
                    try queue.names("incoming").isEmpty && queue.names("deferred").count == 1,
                    "call \(number)")
                let made = queue.world.jobs.filter { $0.recipients[0].address.first != .ascii("x") }
                #expect(Set(made.map { $0.id }).count == 1)
                return calls
            }
            for verdict in [Report.Verdict.failed, .forwarded] {
                for number in 1...(try attempt(at: 0, verdict)) { _ = try attempt(at: number, verdict) }
            }
        }
    }
#endif
