import Bytes
import Queue
import Unix

extension Status {
    /// One object on one line; queue-runner(8) has the members.
    var json: [UInt8] {
        var text = JSONText()
        text.element { object in
            object.member("host", hostname)
            object.member("time", now.seconds)
            object.member("free_bytes", freeBytes)
            object.member("states", object: describeStates)
            object.member("ages", array: describeAges)
            if let next = census.nextAttempt { object.member("next_attempt", next.seconds) }
            if let since = census.dueSince { object.member("due_since", since.seconds) }
            object.member("failing_destinations", failing.entries.count)
            object.member("waiting_is_complete", failing.isComplete)
            object.member("destinations", array: describeDestinations)
            object.member("runners", array: describeRunners)
            object.member(
                "troubles",
                array: { array in
                    for trouble in troubles { array.element(trouble) }
                })
        }
        return text.bytes + [.lf]
    }

    private func describeStates(in object: inout JSONText) {
        for state in QueueCensus.State.allCases {
            let tally = census[state]
            object.member(
                state.key,
                object: { object in
                    object.member("messages", tally.messages)
                    object.member("bytes", tally.bytes)
                    if let oldest = tally.oldest { object.member("oldest", oldest.seconds) }
                })
        }
    }

    private func describeAges(in array: inout JSONText) {
        for (index, count) in census.ages.enumerated() {
            array.element { object in
                if index < QueueCensus.ageBounds.count {
                    object.member("below_seconds", QueueCensus.ageBounds[index].components.seconds)
                }
                object.member("messages", count)
            }
        }
    }

    private func describeDestinations(in array: inout JSONText) {
        for entry in worst {
            array.element { object in
                object.member("domain", entry.domain)
                object.member("waiting", entry.waiting)
                object.member("failing_since", entry.state.since.seconds)
                object.member("attempts", entry.state.failures)
                object.member("next_attempt", entry.state.next.seconds)
                object.member("reason", entry.state.text)
            }
        }
    }

    private func describeRunners(in array: inout JSONText) {
        for (sign, isAtWork) in runners {
            array.element { object in
                object.member("host", sign.host)
                object.member("process", Int64(sign.process))
                object.member("last_sign", sign.lastSign.seconds)
                object.member("at_work", isAtWork)
            }
        }
    }
}
