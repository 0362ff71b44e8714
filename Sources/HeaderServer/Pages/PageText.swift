import KernelHeaders

/// Figures and times as pages have them.
enum PageText {
    /// With spaces between thousands that do not break: `100 000`.
    static func count(_ number: Int) -> String {
        let digits = Array("\(abs(number))")
        var text = number < 0 ? "-" : ""
        for (index, digit) in digits.enumerated() {
            if index > 0, (digits.count - index).isMultiple(of: 3) { text += "\u{A0}" }
            text.append(digit)
        }
        return text
    }

    /// `1 host`, `1 000 hosts`.
    static func count(_ number: Int, _ noun: String, _ plural: String? = nil) -> String {
        "\(count(number))\u{A0}\(number == 1 ? noun : plural ?? noun + "s")"
    }

    /// `and 3 hosts more`, of a list that shows some of all; nil if it shows all.
    static func more(_ all: Int, shown: Int, _ noun: String? = nil) -> String? {
        let rest = all - shown
        return rest > 0 ? "and \(noun.map { count(rest, $0) } ?? count(rest)) more" : nil
    }

    /// `12%`; nearly all is not all, and nearly nothing is not nothing.
    static func share(_ part: Int, of total: Int) -> String {
        guard total > 0 else { return "0%" }
        let percent = Int((Double(part) / Double(total) * 100).rounded())
        if percent == 0, part > 0 { return "under\u{A0}1%" }
        if percent == 100, part < total { return "over\u{A0}99%" }
        return "\(percent)%"
    }

    /// How long ago, in the largest unit of which there is one: `3 days ago`.
    ///
    /// - Parameters: seconds since 1970.
    static func age(_ time: Int, now: Int) -> String {
        let seconds = max(0, now - time)
        for (unit, length) in [
            ("year", 31_557_600), ("month", 2_629_800), ("day", 86_400), ("hour", 3600), ("minute", 60),
        ]
        where seconds >= length {
            return "\(count(seconds / length, unit))\u{A0}ago"
        }
        return "just\u{A0}now"
    }

    /// The first digits of a build ID or digest, enough to tell them apart by eye.
    static func short(_ text: String) -> String { text.count > 16 ? "\(text.prefix(12))…" : text }
}
