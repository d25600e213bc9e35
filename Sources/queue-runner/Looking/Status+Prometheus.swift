import Bytes
import Queue
import Unix

/// Metrics in Prometheus's text exposition format, version 0.0.4.
private struct MetricText {
    private(set) var text = ""

    /// A family: its name, help and samples. All of ours are gauges: what a queue holds goes up and down.
    mutating func family(
        _ name: String, _ help: String, type: String = "gauge", _ samples: [(labels: Labels, value: Int64)]
    ) {
        text += "# HELP relais_\(name) \(help)\n# TYPE relais_\(name) \(type)\n"
        for sample in samples { self.sample(name, sample.labels, sample.value) }
    }

    mutating func sample(_ name: String, _ labels: Labels, _ value: Int64) {
        text += "relais_\(name)\(labels.text) \(value)\n"
    }
}

/// The labels of a sample, or none.
private struct Labels {
    let text: String

    static let none = Labels(text: "")

    private init(text: String) { self.text = text }

    /// A value is in quotes; in it, backslash, quote and line feed are escaped.
    init(_ name: String, _ value: String) {
        var escaped = ""
        for scalar in value.unicodeScalars {
            switch scalar {
            case "\\": escaped += "\\\\"
            case "\"": escaped += "\\\""
            case "\n": escaped += "\\n"
            default: escaped.unicodeScalars.append(scalar)
            }
        }
        self.init(text: "{\(name)=\"\(escaped)\"}")
    }
}

extension Status {
    var prometheus: String {
        var metrics = MetricText()
        describeQueue(in: &metrics)
        describeDestinations(in: &metrics)
        metrics.family(
            "runner_at_work", "Whether a runner is at work.",
            runners.map { (Labels("host", $0.sign.host), $0.isAtWork ? 1 : 0) })
        metrics.family(
            "runner_last_sign_timestamp_seconds", "When the runner last gave a sign of life.",
            runners.map { (Labels("host", $0.sign.host), $0.sign.lastSign.seconds) })
        metrics.family(
            "queue_troubles", "Things to look into; queue-runner --status says which.",
            [(.none, Int64(troubles.count))])
        return metrics.text
    }

    private func describeQueue(in metrics: inout MetricText) {
        func each(_ value: (QueueCensus.Tally) -> Int64) -> [(labels: Labels, value: Int64)] {
            QueueCensus.State.allCases.map { (Labels("state", $0.name), value(census[$0])) }
        }
        metrics.family("queue_messages", "Messages in the queue.", each { Int64($0.messages) })
        metrics.family("queue_bytes", "Size of their files.", each { Int64($0.bytes) })
        metrics.family(
            "queue_oldest_age_seconds", "Age of the oldest message, 0 without one.",
            each { $0.oldest.map { max(0, (now - $0).components.seconds) } ?? 0 })
        describeAges(in: &metrics)
        metrics.family(
            "queue_overdue_seconds", "For how long the oldest due message has waited for a runner.",
            [(.none, census.dueSince.map { (now - $0).components.seconds } ?? 0)])
        metrics.family(
            "queue_free_bytes", "Free space of the queue's filesystem.", [(.none, Int64(freeBytes))])
    }

    private func describeAges(in metrics: inout MetricText) {
        metrics.family(
            "queue_age_seconds", "Ages of the messages that are not set aside.", type: "histogram", [])
        var below: Int64 = 0
        for (index, count) in census.ages.enumerated() {
            below += Int64(count)
            let isLast = index == QueueCensus.ageBounds.count
            let bound = isLast ? "+Inf" : "\(QueueCensus.ageBounds[index].components.seconds)"
            metrics.sample("queue_age_seconds_bucket", Labels("le", bound), below)
        }
        metrics.sample("queue_age_seconds_sum", .none, census.totalAge.components.seconds)
        metrics.sample("queue_age_seconds_count", .none, below)
    }

    private func describeDestinations(in metrics: inout MetricText) {
        func each(_ value: (FailingSurvey.Entry) -> Int64) -> [(labels: Labels, value: Int64)] {
            worst.map { (Labels("domain", $0.domain.escaped()), value($0)) }
        }
        metrics.family(
            "destinations_failing", "Destinations that are failing.",
            [(.none, Int64(failing.entries.count))])
        metrics.family(
            "destination_waiting_messages", "Messages that wait for a failing destination.",
            each { Int64($0.waiting) })
        metrics.family(
            "destination_failing_since_timestamp_seconds", "Since when it has been failing.",
            each { $0.state.since.seconds })
        metrics.family(
            "destination_next_attempt_timestamp_seconds", "When it is tried again.",
            each { $0.state.next.seconds })
    }
}
