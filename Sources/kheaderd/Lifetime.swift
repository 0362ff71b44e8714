import ArgumentParser

/// How long something counts: a whole number and a unit, `90d`.
struct Lifetime: ExpressibleByArgument {
    let seconds: Int

    private static let units: [Character: Int] = ["m": 60, "h": 3600, "d": 86400, "w": 7 * 86400]
    /// A hundred years.
    private static let longest = 36525 * 86400

    init?(argument: String) {
        guard let unit = argument.last.flatMap({ Self.units[$0] }), case let digits = argument.dropLast(),
            digits.allSatisfy({ $0.isASCII && $0.isNumber }), let number = Int(digits), number > 0,
            number <= Self.longest / unit
        else { return nil }
        seconds = number * unit
    }
}
