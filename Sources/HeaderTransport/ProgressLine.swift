internal import KernelHeaders

/// One line that says how far a piece of work is. Pure.
struct ProgressLine: Equatable, Sendable {
    /// What is done, such as `Fetching`.
    var label: String
    /// Bytes done, and all of them if that is known.
    var done = 0
    var total: Int?
    /// How long it has taken.
    var elapsed = Duration.zero

    /// The line, in at most `width` columns, and never as wide as the terminal: a full line would wrap.
    ///
    /// `Fetching  [=====>    ]  52%  3.7 MB of 7.1 MB  1.2 MB/s  3 s left`, with less and less of it where there is no
    /// room; without a total, how much was done and for how long.
    func text(width: Int) -> String {
        let room = max(0, width - 1)
        guard let total, total > 0 else {
            let amount = done > 0 ? "  \(ByteSize.text(done))" : ""
            return String("\(label)\(amount)  \(seconds) s".prefix(room))
        }
        let done = min(max(0, done), total)
        let percent = Int(Double(done) / Double(total) * 100)
        let numbers =
            ["\(percent)%".padded(to: 4), "\(ByteSize.text(done)) of \(ByteSize.text(total))"] + speed(done, total)
        // The last words go first; then the bar; then the label's end.
        for count in stride(from: numbers.count, through: 1, by: -1) {
            let words = numbers.prefix(count).joined(separator: "  ")
            let barWidth = min(30, room - label.count - words.count - 6)
            if barWidth >= 10 { return "\(label)  [\(Self.bar(done, total, barWidth))]  \(words)" }
        }
        return String("\(label)  \(numbers[0])".prefix(room))
    }

    private var seconds: Int { Int(elapsed.components.seconds) }

    private func speed(_ done: Int, _ total: Int) -> [String] {
        let time = elapsed / .seconds(1)
        guard time > 0, done > 0 else { return [] }
        let perSecond = Double(done) / time
        let left = Double(total - done) / perSecond
        // Of a transfer that hardly moves there is no time to tell.
        return ["\(ByteSize.text(Int(perSecond)))/s"] + (left < 360_000 ? ["\(Int(left.rounded(.up))) s left"] : [])
    }

    private static func bar(_ done: Int, _ total: Int, _ width: Int) -> String {
        let filled = Int(Double(done) / Double(total) * Double(width))
        let bar = String(repeating: "=", count: filled) + (filled < width ? ">" : "")
        return bar + String(repeating: " ", count: width - bar.count)
    }
}

extension String {
    fileprivate func padded(to width: Int) -> String { String(repeating: " ", count: max(0, width - count)) + self }
}
