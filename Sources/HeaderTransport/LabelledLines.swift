/// Lines with a label in front, broken at words to a width.
package struct LabelledLines {
    /// Narrower than this the terminal breaks lines itself.
    private static let leastWidth = 40

    private let width: Int
    private let indent: Int
    private var lines: [String] = []

    /// - Parameters:
    ///   - width: of all, in columns.
    ///   - label: of the labels.
    package init(width: Int, label: Int) {
        self.width = max(width, Self.leastWidth)
        indent = label
    }

    /// - Parameter paragraphs: each begins a line; the label stands before the first.
    package mutating func add(_ label: String, _ paragraphs: [String]) {
        var label = label
        for paragraph in paragraphs {
            for (index, line) in broken(Console.printable(paragraph, lineEnd: "?")).enumerated() {
                let front = index == 0 ? label : ""
                lines.append(front + String(repeating: " ", count: max(1, indent - front.count)) + line)
                label = ""
            }
        }
    }

    package mutating func addGap() { lines.append("") }

    package var text: String { lines.joined(separator: "\n") }

    /// A word that is longer than a line keeps together, so that a path can be copied. Further lines are set in by two.
    private func broken(_ paragraph: String) -> [String] {
        var result: [String] = []
        var line = ""
        for word in paragraph.split(separator: " ", omittingEmptySubsequences: false) {
            let room = width - indent - (result.isEmpty ? 0 : 2)
            if !line.isEmpty, line.count + 1 + word.count > room {
                result.append((result.isEmpty ? "" : "  ") + line)
                line = String(word)
            } else {
                line += (line.isEmpty ? "" : " ") + word
            }
        }
        result.append((result.isEmpty ? "" : "  ") + line)
        return result
    }
}
