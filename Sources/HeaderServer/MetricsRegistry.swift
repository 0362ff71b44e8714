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

        private init(text: String) { self.text = text }

        /// The same and one more.
        fileprivate func with(_ name: String, _ value: String) -> Labels {
            Labels(text: text.isEmpty ? "{\(name)=\"\(value)\"}" : "\(text.dropLast()),\(name)=\"\(value)\"}")
        }
    }

    /// Something to count.
    struct Count {
        let name: String
        let labels: Labels
    }

    /// A value of now.
    struct Gauge {
        let name: String
        var labels = Labels()
        let value: Double
    }

    struct Summary {
        private(set) var count = 0
        private(set) var sum = 0

        mutating func add(_ value: Int) {
            count += 1
            sum += value
        }

        mutating func add(_ other: Summary) {
            count += other.count
            sum += other.sum
        }
    }

    /// How many took at most as long as each of ``bounds``, not counting those of the bounds before.
    struct Histogram {
        private(set) var counts = [Int](repeating: 0, count: MetricsRegistry.bounds.count + 1)
        private(set) var sum = 0.0

        mutating func add(_ seconds: Double) {
            counts[MetricsRegistry.bounds.firstIndex { seconds <= $0 } ?? MetricsRegistry.bounds.count] += 1
            sum += seconds
        }

        mutating func add(_ other: Histogram) {
            for (index, count) in other.counts.enumerated() { counts[index] += count }
            sum += other.sum
        }
    }

    struct State {
        /// Requests by route, and what became of them. What is written of them is made of these when it is.
        var requests: [String?: Int] = [:]
        var answers: [Answer: Totals] = [:]
        var counters: [String: [Labels: Int]] = [:]
        var summaries: [String: [Labels: Summary]] = [:]
        var histograms: [String: [Labels: Histogram]] = [:]

        mutating func count(_ counts: [Count]) {
            for count in counts { counters[count.name, default: [:]][count.labels, default: 0] += 1 }
        }
    }

    /// Of histograms, in seconds: from an answer out of memory to a bundle that is made first.
    static let bounds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]

    private let state = Mutex(State())

    func withState(_ body: (inout State) -> Void) { state.withLock { body(&$0) } }

    /// Has a counter be there, with 0, before it counts anything: to Prometheus, what begins with 1 has not increased.
    func begin(_ name: String, _ labels: Labels = Labels()) {
        state.withLock { $0.counters[name, default: [:]][labels, default: 0] += 0 }
    }

    /// Counts one more.
    func count(_ name: String, _ labels: Labels) {
        state.withLock { $0.counters[name, default: [:]][labels, default: 0] += 1 }
    }

    /// Counts one more of each.
    func count(_ counts: [Count]) {
        state.withLock { $0.count(counts) }
    }

    /// Counts one more of something that has a size: `NAME_count` and `NAME_sum`.
    func observe(_ name: String, _ labels: Labels, _ value: Int) {
        state.withLock { state in
            state.summaries[name, default: [:]][labels, default: Summary()].add(value)
        }
    }

    /// Counts one more of something that took so long: `NAME_bucket`, `NAME_count` and `NAME_sum`.
    func time(_ name: String, _ labels: Labels, _ duration: Duration) {
        let seconds = duration / .seconds(1)
        state.withLock { $0.histograms[name, default: [:]][labels, default: Histogram()].add(seconds) }
    }

    /// All of it, sorted, after what is measured now.
    ///
    /// - Parameter gauges: those of one name one behind the other.
    func text(gauges: [Gauge]) -> String {
        var text = ""
        func begin(_ name: String, _ type: String) {
            if let help = MetricsHelp.ofFamilies[name] { text += "# HELP \(name) \(help)\n" }
            text += "# TYPE \(name) \(type)\n"
        }
        for (index, gauge) in gauges.enumerated() {
            if index == 0 || gauges[index - 1].name != gauge.name { begin(gauge.name, "gauge") }
            text += "\(gauge.name)\(gauge.labels.text) \(gauge.value)\n"
        }
        let state = state.withLock { $0 }.withAnswers
        for (name, series) in state.counters.sorted(by: { $0.key < $1.key }) {
            begin(name, "counter")
            for (labels, value) in series.sorted(by: { $0.key.text < $1.key.text }) {
                text += "\(name)\(labels.text) \(value)\n"
            }
        }
        for (name, series) in state.summaries.sorted(by: { $0.key < $1.key }) {
            begin(name, "summary")
            for (labels, summary) in series.sorted(by: { $0.key.text < $1.key.text }) {
                text += "\(name)_sum\(labels.text) \(summary.sum)\n\(name)_count\(labels.text) \(summary.count)\n"
            }
        }
        for (name, series) in state.histograms.sorted(by: { $0.key < $1.key }) {
            begin(name, "histogram")
            for (labels, histogram) in series.sorted(by: { $0.key.text < $1.key.text }) {
                var count = 0
                for (bound, more) in zip(Self.bounds.map { "\($0)" } + ["+Inf"], histogram.counts) {
                    count += more
                    text += "\(name)_bucket\(labels.with("le", bound).text) \(count)\n"
                }
                text += "\(name)_sum\(labels.text) \(histogram.sum)\n\(name)_count\(labels.text) \(count)\n"
            }
        }
        return text
    }
}
