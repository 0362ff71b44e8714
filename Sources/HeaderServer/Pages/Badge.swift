/// A word with a colour, which says nothing that the word does not.
struct Badge: Sendable {
    /// A class of the style: `good`, `fair`, `poor`, `none`.
    let tone: String
    let text: String

    static func good(_ text: String) -> Badge { Badge(tone: "good", text: text) }
    static func fair(_ text: String) -> Badge { Badge(tone: "fair", text: text) }
    static func poor(_ text: String) -> Badge { Badge(tone: "poor", text: text) }
    static func none(_ text: String) -> Badge { Badge(tone: "none", text: text) }
}
