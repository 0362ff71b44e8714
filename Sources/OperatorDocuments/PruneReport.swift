public import KernelHeaders

/// What a run of retention removed, or would remove: the answer of `POST /v1/retention`.
public struct PruneReport: Codable, Sendable, Equatable {
    public enum Cause: String, Codable, Sendable {
        /// No host reported it for as long as kernels are kept.
        case age
        /// The store is over its budget, and it is among those that were not reported for the longest time.
        case space
    }

    /// A kernel that goes.
    public struct Removal: Codable, Sendable, Equatable {
        public var buildID: BuildID
        public var release: String?
        public var lastSeen: Int
        public var cause: Cause
        /// Why, in a sentence: what is remembered of it.
        public var reason: String
        /// Bytes on disk that nothing else is known to need. They are free when the store is collected.
        public var bytes: Int

        public init(
            buildID: BuildID, release: String?, lastSeen: Int, cause: Cause, reason: String, bytes: Int
        ) {
            self.buildID = buildID
            self.release = release
            self.lastSeen = lastSeen
            self.cause = cause
            self.reason = reason
            self.bytes = bytes
        }
    }

    /// Whether nothing was removed.
    public var isDryRun: Bool
    /// When, as seconds since 1970.
    public var time: Int
    /// The rules: for how many days a kernel is kept that no host reports, how many of the newest are kept in any case,
    /// and how many bytes packs and BTF may take; nil for any.
    public var days: Int
    public var newest: Int
    public var bytes: Int?
    /// Those that were not reported for the longest time first.
    public var removals: [Removal]

    public init(isDryRun: Bool, time: Int, days: Int, newest: Int, bytes: Int?, removals: [Removal]) {
        self.isDryRun = isDryRun
        self.time = time
        self.days = days
        self.newest = newest
        self.bytes = bytes
        self.removals = removals
    }
}
