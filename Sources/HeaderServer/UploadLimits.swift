/// The bounds of uploads in several requests, each of which holds a file and room on the disk.
public struct UploadLimits: Sendable {
    /// Uploads at a time.
    public var sessions = 256
    /// How long an upload is kept that no byte comes of, and the answer to one that is done, in seconds.
    public var seconds = 300
    /// Seconds of a clock that nobody sets.
    public var now: @Sendable () -> Int = { Int(Self.start.duration(to: .now) / .seconds(1)) }
    private static let start = ContinuousClock.now

    public init() {}
}
