#if DEBUG
    import Bytes
    import Queue
    import Testing
    import Unix

    /// One step of a message's life as queue(5) has it: the state that it begins from, what is done, and what may be
    /// found afterwards, whether it succeeded or any call of it failed.
    enum LifeStep: String, CaseIterable {
        case inject, injectLarge, claim, record, postpone, hold, release, end, endLogged, setAside, clean,
            removeUnfinished, discard, restore, emptyTrash, endInterruptedMove
    }

    /// A way for the k-th call to go wrong. A call from which on nothing works any more leaves on the disk what dying
    /// there leaves: clean-up is impossible, and the locks go.
    enum LifeFault: CaseIterable {
        case error, noSpace, noFiles, interruption, shortWrite, fillingUp, brokenFromThere, fullFromThere

        var fault: SystemCall.Fault {
            switch self {
            case .error: .fail(.inputOutput)
            case .noSpace: .fail(.noSpace)
            case .noFiles: .fail(.tooManyFiles)
            case .interruption: .fail(.interrupted)
            case .shortWrite: .writeHalf
            case .fillingUp: .writeHalfThenFail(.noSpace)
            case .brokenFromThere: .failFromThere(.inputOutput)
            case .fullFromThere: .failFromThere(.noSpace)
            }
        }

        /// A program that does it right does not notice.
        var isHarmless: Bool { self == .interruption || self == .shortWrite }
        /// What could be cleaned up was.
        var isOnce: Bool { self != .brokenFromThere && self != .fullFromThere }
    }

    @Suite struct FaultTests {
        @Test(
            "whatever call of a step fails, the state is one of queue(5)'s, and the step done again ends well",
            arguments: LifeStep.allCases, LifeFault.allCases)
        func everyCall(step: LifeStep, way: LifeFault) throws {
            try walk(step, way, refused: false)
        }

        @Test(
            "the same where there are no unnamed files and no renaming that replaces nothing (NFS, FUSE, FreeBSD)",
            arguments: LifeStep.allCases, LifeFault.allCases)
        func everyCallOfTheSecondPath(step: LifeStep, way: LifeFault) throws {
            SystemCall.refuseExtensions(true)
            defer { SystemCall.refuseExtensions(false) }
            try walk(step, way, refused: true)
        }

        private func walk(_ step: LifeStep, _ way: LifeFault, refused: Bool) throws {
            let calls = try attempt(step, fault: .none, at: 0, way: way, refused)
            #expect(calls > 0)
            for number in 1...calls { _ = try attempt(step, fault: way.fault, at: number, way: way, refused) }
        }

        /// The number of calls that the step made.
        private func attempt(
            _ step: LifeStep, fault: SystemCall.Fault, at number: Int, way: LifeFault, _ refused: Bool
        ) throws -> Int {
            let life = try Life(step)
            SystemCall.arm(fault, at: number)
            var failure: (any Error)?
            do { try life.act() } catch { failure = error }
            let calls = SystemCall.callCount
            SystemCall.arm(.none, at: 0)
            if number == 0 || way.isHarmless { #expect(failure == nil, "\(step) \(way) at call \(number)") }
            let words = try life.violations(
                succeeded: failure == nil, cleanedUp: way.isOnce, mayHaveBothNames: refused && !way.isOnce)
            #expect(words == [], "\(step) \(way) at call \(number)")
            try life.again(succeeded: failure == nil)
            let end = try life.violations(succeeded: true, cleanedUp: true)
            #expect(end == [], "\(step) \(way) at call \(number), done again")
            return calls
        }
    }

    /// A queue with one message in it, or about to be.
    private final class Life {
        let step: LifeStep
        let queue: TemporaryQueue
        let id: MessageID
        let content: String
        static let now = Time(seconds: 60_000)
        static let bucket = Place.deferred(minute: 1005)
        static let trash = Place.trash(minute: 1006, wasHeld: false)
        static let orphan = MessageID.new(at: now)
        static let event = LogEvent(
            time: now, recipient: 1, kind: .deferred, status: "4.4.1", next: now + .seconds(300),
            text: "later")
        static let done = LogEvent(time: now, recipient: 2, kind: .delivered, status: "2.0.0")

        init(_ step: LifeStep) throws {
            self.step = step
            queue = try TemporaryQueue()
            content = String(repeating: "a line of text\n", count: step == .injectLarge ? 20_000 : 10)
            id = MessageID.new(at: .now())
            switch step {
            case .inject, .injectLarge: break
            case .setAside, .removeUnfinished:
                try queue.put(Array("relais-message 1\nid \(id)\n".utf8), at: "incoming/\(id)")
            default: try queue.inject(content, id: id)
            }
            let store = try QueueDirectory(queue.path)
            switch step {
            case .release: try store.move(try claimed(store), to: .hold)
            case .restore, .emptyTrash: try store.discard(try claimed(store), until: Self.now + .seconds(300))
            case .endInterruptedMove:
                try Directory("\(queue.path)/incoming").link(
                    id.text, to: try Directory("\(queue.path)/hold"), as: id.text)
            case .endLogged, .clean:
                let message = try claimed(store)
                try MessageLog.open(for: message, in: store, creating: true)?.append([Self.event])
                if step == .endLogged { try store.postpone(message, until: Self.event.next, now: Self.now) }
            default: break
            }
            if step == .clean {
                try queue.put(Array("message 1 2\n".utf8), at: "log/\(Self.orphan)")
                try Directory("\(queue.path)/deferred").makeDirectory("1000", mode: 0o700)
            }
        }

        /// Wherever it is.
        private func claimed(_ store: QueueDirectory) throws -> ClaimedMessage {
            for place in [Place.incoming, .hold, Self.bucket, Self.trash] {
                if let message = try store.claimFree(id, in: place).message { return message }
            }
            throw QueueError.claim(SystemError("open", .noEntry, id.text))
        }

        func act() throws {
            if step == .inject || step == .injectLarge {
                try queue.inject(content, id: id)
                return
            }
            let store = try QueueDirectory(queue.path)
            switch step {
            case .inject, .injectLarge: break
            case .claim: _ = try claimed(store).front(upTo: 100)
            case .record:
                let log = try MessageLog.open(for: try claimed(store), in: store, creating: true)
                try log?.append([Self.event])
                try log?.append([Self.done])
                try log?.synchronize()
            case .postpone:
                let message = try claimed(store)
                let log = try MessageLog.open(for: message, in: store, creating: true)
                try log?.append([Self.event])
                try log?.synchronize()
                try store.postpone(message, until: Self.event.next, now: Self.now)
            case .hold: try store.move(try claimed(store), to: .hold)
            case .release: try store.move(try claimed(store), to: .incoming)
            case .discard: try store.discard(try claimed(store), until: Self.now + .seconds(300))
            case .restore: try store.restore(try claimed(store))
            case .emptyTrash:
                // Not at once while another test starts a child, which holds our lock until its exec.
                for _ in 0..<1000 {
                    if try store.emptyTrash(at: Self.now + .seconds(3600), limit: 10) > 0 { break }
                    if !store.passedOver.isEmpty { break }
                    pause(.milliseconds(1))
                }
            case .endInterruptedMove: _ = try claimed(store)
            case .end: try store.remove(try claimed(store), log: nil)
            case .endLogged:
                let message = try claimed(store)
                try store.remove(message, log: try MessageLog.open(for: message, in: store, creating: false))
            case .setAside: try store.setAside(id.bytes, in: .incoming)
            case .clean: _ = try store.clean()
            case .removeUnfinished:
                for _ in 0..<1000 {
                    try store.removeUnfinished(id, in: .incoming)
                    if try queue.names("incoming").isEmpty { break }
                    pause(.milliseconds(1))
                }
            }
            // What was told and passed over is not done.
            if let error = store.passedOver.first { throw QueueError.scan(error) }
            if !store.leftLogs.isEmpty { throw QueueError.log(SystemError("unlink", .inputOutput, "log")) }
        }

        /// What the next runner, or the same client, does about it.
        func again(succeeded: Bool) throws {
            guard !succeeded else { return }
            let store = try QueueDirectory(queue.path)
            switch step {
            case .inject, .injectLarge:
                // A client that was not told sends a message of its own; the old one is there whole, or goes when it is old.
                if case .unfinished = try store.claimFree(id, in: .incoming) {
                    try store.removeUnfinished(id, in: .incoming)
                }
                if try places().isEmpty { try act() }
            case .setAside, .removeUnfinished:
                if try places() == ["incoming"] { try act() }
            case .hold, .release, .discard, .restore, .emptyTrash, .endInterruptedMove:
                try act()
            case .end, .endLogged:
                if try places().isEmpty { _ = try store.clean() } else { try act() }
            case .record, .postpone, .claim, .clean: try act()
            }
        }

        /// The directories that hold the message.
        private func places() throws -> [String] {
            let buckets = try ["deferred", "trash"].flatMap { parent in
                try queue.names(parent).map { "\(parent)/\($0)" }
            }
            return try (["incoming", "hold", "corrupt"] + buckets).filter {
                try queue.names($0).contains(id.text)
            }
        }

        /// What queue(5)'s table does not allow here.
        func violations(
            succeeded: Bool, cleanedUp: Bool, mayHaveBothNames: Bool = false
        ) throws -> [String] {
            var words: [String] = []
            func mustBe(_ condition: Bool, _ what: String) { if !condition { words.append(what) } }
            let places = try places()
            let store = try QueueDirectory(queue.path)
            let log = try queue.names("log").contains(id.text)
            mustBe(
                places.count < 2 || mayHaveBothNames && !succeeded && places.count == 2
                    || step == .endInterruptedMove && places == ["incoming", "hold"] && !succeeded,
                "in \(places)")
            var isWhole = false
            for place in [Place.incoming, .hold, Self.bucket, Self.trash]
            where step != .endInterruptedMove || succeeded {
                let claim = try store.claimFree(id, in: place)
                mustBe(!claim.isBusy, "is still locked")
                guard let message = claim.message else { continue }
                isWhole = try message.front(upTo: .max).elementsEqual(content.utf8)
                mustBe(isWhole, "its content is not what it was")
            }
            func mustBe(in allowed: [String], whole: Bool = true) {
                mustBe(
                    places.first.map { allowed.contains($0) } ?? allowed.isEmpty,
                    "in \(places), not in \(allowed)")
                mustBe(
                    isWhole == whole || places.isEmpty,
                    whole ? "is not whole" : "was never acknowledged, and is whole")
            }
            let events = log ? try queue.bytes("log/\(id)").split(separator: .lf).dropFirst().count : 0
            switch step {
            case .inject, .injectLarge:
                if succeeded { mustBe(in: ["incoming"]) } else if cleanedUp { mustBe(in: []) }
                mustBe(places.isEmpty || places == ["incoming"], "in \(places)")
            case .claim: mustBe(in: ["incoming"])
            case .record:
                mustBe(in: ["incoming"])
                if succeeded { mustBe(events >= 2, "the log has \(events) events") }
            case .postpone:
                mustBe(in: succeeded ? [Self.bucket.path] : ["incoming", Self.bucket.path])
                if places == [Self.bucket.path] {
                    mustBe(events >= 1, "it waits, and its log does not say so")
                }
            case .hold: mustBe(in: succeeded ? ["hold"] : ["incoming", "hold"])
            case .release: mustBe(in: succeeded ? ["incoming"] : ["incoming", "hold"])
            case .discard:
                mustBe(in: succeeded ? [Self.trash.path] : ["incoming", Self.trash.path])
            case .restore: mustBe(in: succeeded ? ["incoming"] : ["incoming", Self.trash.path])
            case .emptyTrash:
                if succeeded { mustBe(in: []) } else if !places.isEmpty { mustBe(in: [Self.trash.path]) }
            case .endInterruptedMove:
                if succeeded { mustBe(in: ["incoming"]) } else { mustBe(!places.isEmpty, "is gone") }
            case .end:
                if succeeded { mustBe(in: []) } else if !places.isEmpty { mustBe(in: ["incoming"]) }
                mustBe(!log, "a message that was done at once has a log")
            case .endLogged:
                if succeeded { mustBe(in: []) } else if !places.isEmpty { mustBe(in: [Self.bucket.path]) }
                mustBe(places.isEmpty || log, "its log went before it")
                mustBe(!succeeded || !log, "its log is left")
            case .setAside:
                if succeeded {
                    mustBe(in: ["corrupt"], whole: false)
                } else {
                    mustBe(in: ["incoming", "corrupt"], whole: false)
                }
            case .clean:
                mustBe(in: ["incoming"])
                mustBe(log, "its log was taken for an orphan")
                if succeeded {
                    mustBe(
                        try queue.names("log") == [id.text] && queue.names("deferred") == [],
                        "leftovers are left")
                }
            case .removeUnfinished:
                if succeeded {
                    mustBe(in: [])
                } else if !places.isEmpty {
                    mustBe(in: ["incoming"], whole: false)
                }
            }
            return words
        }
    }
#endif
