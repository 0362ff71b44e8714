/// What was done to a kernel, and when: it was pinned, or deleted.
public struct KernelMark: Codable, Sendable, Equatable {
    /// The longest ``reason`` that a server takes, in bytes.
    public static let maximumReasonLength = 256

    /// Seconds since 1970.
    public var time: Int
    /// In the operator's own words (the query's `reason`), or why it was not kept any longer; nil if none were given.
    public var reason: String?

    public init(time: Int, reason: String? = nil) {
        self.time = time
        self.reason = reason
    }
}
