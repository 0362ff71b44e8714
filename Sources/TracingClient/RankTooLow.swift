public import HeaderTransport
public import KernelHeaders

/// Headers are there, and not trusted enough.
public struct RankTooLow: Error, Equatable, CustomStringConvertible, ExitStatusProviding {
    public let has: HeaderSource
    public let wanted: HeaderSource

    public init(has: HeaderSource, wanted: HeaderSource) {
        self.has = has
        self.wanted = wanted
    }

    public var exitStatus: ExitStatus { .refused }

    public var description: String {
        "there are headers, but only on the word of '\(has.rawValue)', and --min-trust asks for '\(wanted.rawValue)' "
            + "(trust-too-low)"
    }
}
