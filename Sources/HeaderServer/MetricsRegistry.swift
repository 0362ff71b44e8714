import Synchronization

/// Counts and sums since the server started, and how Prometheus reads them (its text format, version 0.0.4).
///
/// Names that debuginfod has too mean the same here, so that its dashboards and alerts work. Values of labels are kinds and
/// status codes, never what a request says: a family has some hundred series at most.
final class MetricsRegistry: Sendable {
    /// Names and values, in the order in which they are written.
    struct Labels: Hashable {
        let text: String

        /// - Parameter pairs: values without quotes, backslashes and line ends.
        init(_ pairs: KeyValuePairs<String, String> = [:]) {
            let list = pairs.map { "\($0.key)=\"\($0.value)\"" }.joined(separator: ",")
            text = list.isEmpty ? "" : "{\(list)}"
        }
    }

    private struct Summary {
        var count = 0
        var sum = 0
    }

    private struct State {
        var counters: [String: [Labels: Int]] = [:]
        var summaries: [String: [Labels: Summary]] = [:]
    }

    private let state = Mutex(State())

    /// Counts one more.
    func count(_ name: String, _ labels: Labels) {
        state.withLock { $0.counters[name, default: [:]][labels, default: 0] += 1 }
    }

    /// Counts one more of something that has a size: `NAME_count` and `NAME_sum`.
    func observe(_ name: String, _ labels: Labels, _ value: Int) {
        state.withLock { state in
            state.summaries[name, default: [:]][labels, default: Summary()].count += 1
            state.summaries[name, default: [:]][labels, default: Summary()].sum += value
        }
    }

    /// All of it, sorted, after what is measured now.
    func text(gauges: [(name: String, labels: Labels, value: Double)]) -> String {
        var text = ""
        for gauge in gauges {
            text += "# TYPE \(gauge.name) gauge\n\(gauge.name)\(gauge.labels.text) \(gauge.value)\n"
        }
        let (counters, summaries) = state.withLock { ($0.counters, $0.summaries) }
        for (name, series) in counters.sorted(by: { $0.key < $1.key }) {
            text += "# TYPE \(name) counter\n"
            for (labels, value) in series.sorted(by: { $0.key.text < $1.key.text }) {
                text += "\(name)\(labels.text) \(value)\n"
            }
        }
        for (name, series) in summaries.sorted(by: { $0.key < $1.key }) {
            text += "# TYPE \(name) summary\n"
            for (labels, summary) in series.sorted(by: { $0.key.text < $1.key.text }) {
                text += "\(name)_sum\(labels.text) \(summary.sum)\n\(name)_count\(labels.text) \(summary.count)\n"
            }
        }
        return text
    }
}
