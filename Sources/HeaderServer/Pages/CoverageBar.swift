/// A bar of parts that make up a whole, with a legend that says the same in words.
struct CoverageBar: Sendable {
    struct Part: Sendable {
        /// How it is painted, a class of the style: `good`, `fair`, `poor`.
        let tone: String
        let name: String
        let count: String
        let share: String
        /// In percent of the bar.
        let start: String
        let width: String
    }

    let label: String
    let parts: [Part]

    /// - Parameters:
    ///   - label: what is counted, for those who don't see the bar.
    ///   - counts: empty ones are left out.
    init(_ label: String, _ counts: [(tone: String, name: String, count: Int)]) {
        let total = counts.reduce(0) { $0 + $1.count }
        var start = 0
        var parts: [Part] = []
        for (tone, name, count) in counts where count > 0 {
            parts.append(
                Part(
                    tone: tone, name: name, count: PageText.count(count), share: PageText.share(count, of: total),
                    start: Self.percent(start, total), width: Self.percent(count, total)))
            start += count
        }
        self.parts = parts
        let words = parts.map { "\($0.name): \($0.share)" }.joined(separator: ", ")
        self.label = parts.isEmpty ? label : "\(label): \(words)"
    }

    /// With two decimals.
    private static func percent(_ count: Int, _ total: Int) -> String {
        let hundredths = Int(Double(count) / Double(max(total, 1)) * 10_000)
        let rest = hundredths % 100
        return "\(hundredths / 100).\(rest < 10 ? "0" : "")\(rest)"
    }

    /// The part of a template that shows it.
    static let template = """
        <svg class="bar" role="img" aria-label="{{label}}" width="100%" height="14">
        {{#parts}}<rect class="{{tone}}" x="{{start}}%" width="{{width}}%" height="14"></rect>{{/parts}}
        </svg>
        <ul class="legend">{{#parts}}<li><span class="key {{tone}}" aria-hidden="true"></span>{{name}}: \
        <strong>{{count}}</strong> <span class="quiet">({{share}})</span></li>{{/parts}}</ul>
        """
}
