public import KernelHeaders

/// One build ID, and what is not the same on all hosts under it: a distribution that built twice, or a host whose headers
/// were changed.
public struct KernelConflict: Codable, Sendable, Equatable {
    /// What one side has.
    public struct Side: Codable, Sendable, Equatable {
        public var artefact: Artefact
        /// SHA-256 of the archive, or of the BTF, as hosts have it; nil if only the tree is on record.
        public var digest: Digest?
        /// Of headers, if the server saw them.
        public var treeDigest: Digest?
        /// Whose word it is; nil if hosts only said that they have it.
        public var source: HeaderSource?
        /// Whether it is what the server has, and serves.
        public var isServed: Bool
        /// Hosts that are known to be on this side, and some of them: at most ``KernelConflict/maximumHosts``.
        /// `GET /v1/kernels/{buildID}/hosts?digest=…` has all.
        public var hosts: Int
        public var hostIDs: [HostID]
        /// Seconds since 1970.
        public var firstSeen: Int
        public var lastSeen: Int

        public init(
            artefact: Artefact, digest: Digest?, treeDigest: Digest? = nil, source: HeaderSource? = nil, isServed: Bool,
            hosts: Int, hostIDs: [HostID], firstSeen: Int, lastSeen: Int
        ) {
            self.artefact = artefact
            self.digest = digest
            self.treeDigest = treeDigest
            self.source = source
            self.isServed = isServed
            self.hosts = hosts
            self.hostIDs = hostIDs
            self.firstSeen = firstSeen
            self.lastSeen = lastSeen
        }
    }

    /// The most hosts that a side names.
    public static let maximumHosts = 20
    /// The most sides of a kernel that are shown.
    public static let maximumSides = 100

    public var buildID: BuildID
    public var release: String?
    /// What the server has first, then the others, by artefact and time.
    public var sides: [Side]

    public init(buildID: BuildID, release: String?, sides: [Side]) {
        self.buildID = buildID
        self.release = release
        self.sides = sides
    }
}

/// A page of the fleet's conflicts, in the order of the build ID: the answer of `GET /v1/conflicts`.
public struct ConflictList: Codable, Sendable, Equatable {
    public var conflicts: [KernelConflict]
    /// To be sent as `cursor` for the next page; nil on the last one.
    public var next: String?

    public init(conflicts: [KernelConflict], next: String?) {
        self.conflicts = conflicts
        self.next = next
    }
}
