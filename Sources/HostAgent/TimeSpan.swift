/// A length of time as people write it: `90s`, `10m`, `6h`, `1d`, or a number of seconds.
public enum TimeSpan {
    /// - Returns: nil if it is none, or is not positive, or is longer than a year.
    public static func parse(_ text: some StringProtocol) -> Duration? {
        let units: [Character: Int] = ["s": 1, "m": 60, "h": 60 * 60, "d": 24 * 60 * 60]
        guard let last = text.last else { return nil }
        let unit = units[last]
        let digits = unit == nil ? text[...] : text.dropLast()
        guard digits.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }),
            let number = Int(digits), case let (seconds, overflow) = number.multipliedReportingOverflow(by: unit ?? 1),
            !overflow, (1...366 * 24 * 60 * 60).contains(seconds)
        else { return nil }
        return .seconds(seconds)
    }
}
