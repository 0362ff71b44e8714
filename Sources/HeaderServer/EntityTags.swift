/// The value of `If-None-Match`, `If-Match` or `If-Range`: entity tags (RFC 9110, 8.8.3), or `*`.
struct EntityTags {
    private let any: Bool
    private let tags: [(weak: Bool, opaque: Substring)]

    init(_ field: String) {
        any = field.filter { $0 != " " && $0 != "\t" } == "*"
        // Commas may stand inside the quotes, so quotes are what is looked for.
        var tags: [(Bool, Substring)] = []
        var rest = field[...]
        while let open = rest.firstIndex(of: "\""), let close = rest[rest.index(after: open)...].firstIndex(of: "\"") {
            tags.append((rest[..<open].hasSuffix("W/"), rest[open...close]))
            rest = rest[rest.index(after: close)...]
        }
        self.tags = tags
    }

    /// Whether one of them is this strong tag (with its quotes), weak ones compared by their text: for `If-None-Match`.
    func matchWeakly(_ tag: String) -> Bool { any || tags.contains { $0.opaque == tag } }

    /// Whether one of them is this strong tag, and strong itself: for `If-Match` and `If-Range`.
    func matchStrongly(_ tag: String) -> Bool { any || tags.contains { !$0.weak && $0.opaque == tag } }
}
