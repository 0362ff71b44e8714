public import KernelHeaders

/// Which kernels of the server's list, in which order, and which page: the query of `GET /v1/kernels`.
public struct KernelQuery: Sendable, Equatable {
    /// What the list is in the order of. What is equal is in the order of the build ID, in the same direction.
    public enum Sort: String, Codable, Sendable, CaseIterable {
        /// By the bytes of the release, so that 6.10 comes before 6.9; kernels without one come first.
        case release
        case lastSeen, firstSeen, hosts

        /// Whether the largest come first unless the query says otherwise: the newest, and the most hosts.
        public var isDescending: Bool { self != .release }
    }

    /// The most kernels on a page.
    public static let maximumLimit = 1000

    /// Only kernels with exactly this release. As all that follow: nil for no matter.
    public var release: String?
    /// Only kernels whose release matches, as the shell's patterns do: `*`, `?`, `[a-z]`.
    public var releaseGlob: String?
    /// As `uname -m` prints it.
    public var architecture: String?
    /// As ``KernelEntry/distribution`` has it.
    public var distribution: String?
    /// Whether the server has their headers, their BTF, a PCH of them.
    public var hasHeaders: Bool?
    public var hasBTF: Bool?
    public var hasPCH: Bool?
    /// Where their headers came from, exactly.
    public var source: HeaderSource?
    public var hasConflicts: Bool?
    /// Whether damage took something of them that did not come back yet.
    public var isDamaged: Bool?
    public var isPinned: Bool?
    /// Whether a host's last report was of them.
    public var isRunning: Bool?
    /// Whether they were deleted and did not come back. Unless asked for, those that no host runs are left out.
    public var isPurged: Bool?
    /// Only kernels that were reported at this time or later, as seconds since 1970.
    public var seenSince: Int?
    public var sort: Sort
    /// Nil for ``Sort/isDescending``.
    public var isDescending: Bool?
    /// 1 to ``maximumLimit``.
    public var limit: Int
    /// ``KernelList/next`` of the page before. It is good for the order that it was given for, whatever the filters.
    public var cursor: String?

    public init(sort: Sort = .release, limit: Int = KernelQuery.maximumLimit, cursor: String? = nil) {
        self.sort = sort
        self.limit = limit
        self.cursor = cursor
    }

    /// The names and values of the query's items; what is as it is anyway is left out (nil).
    public var items: [(name: String, value: String?)] {
        func text(_ flag: Bool?) -> String? { flag.map { $0 ? "true" : "false" } }
        return [
            ("release", release), ("releaseGlob", releaseGlob), ("architecture", architecture),
            ("distribution", distribution), ("headers", text(hasHeaders)), ("btf", text(hasBTF)), ("pch", text(hasPCH)),
            ("source", source?.rawValue), ("conflict", text(hasConflicts)), ("damaged", text(isDamaged)),
            ("pinned", text(isPinned)), ("running", text(isRunning)), ("purged", text(isPurged)),
            ("seenSince", seenSince.map { "\($0)" }),
            ("sort", sort == .release ? nil : sort.rawValue), ("order", isDescending.map { $0 ? "desc" : "asc" }),
            ("limit", limit == Self.maximumLimit ? nil : "\(limit)"), ("cursor", cursor),
        ]
    }
}
