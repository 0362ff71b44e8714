public import HeaderTransport
public import KernelHeaders

/// Headers are there, and not trusted enough.
public struct RankTooLow: Error, Equatable, CustomStringConvertible, ExitStatusProviding {
    public let has: HeaderSource
    public let wanted: HeaderSource

    /// - Throws: this error if a rank is below a minimum.
    public static func check(_ rank: HeaderSource, minimum: HeaderSource?) throws(RankTooLow) {
        if let minimum, rank < minimum { throw RankTooLow(has: rank, wanted: minimum) }
    }

    public var exitStatus: ExitStatus { .refused }

    public var description: String {
        "It is there, but only on the word of '\(has.rawValue)', and --min-trust asks for '\(wanted.rawValue)'. "
            + "(trust-too-low)"
    }
}
