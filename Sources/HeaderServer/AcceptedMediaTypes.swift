/// The value of `Accept` (RFC 9110, 12.5.1), as far as it tells a person's browser from a program.
struct AcceptedMediaTypes {
    private let weights: [String: Double]

    /// - Parameter field: nil if there is none.
    init(_ field: String?) {
        var weights: [String: Double] = [:]
        for item in (field ?? "").split(separator: ",") {
            let parts = item.split(separator: ";").map { $0.filter { $0 != " " && $0 != "\t" }.lowercased() }
            guard let type = parts.first else { continue }
            let weight = parts.dropFirst().first { $0.hasPrefix("q=") }.map { Double($0.dropFirst(2)) ?? 0 } ?? 1
            weights[type] = max(weights[type] ?? 0, weight)
        }
        self.weights = weights
    }

    /// Whether it names pages, and nothing that a problem document is at least as gladly. `*/*` names nothing: curl and
    /// debuginfod's clients send it.
    var preferHTML: Bool {
        let html = weights["text/html"] ?? 0
        let json = max(weights["application/json"] ?? 0, weights["application/problem+json"] ?? 0)
        return html > 0 && html >= json
    }
}
