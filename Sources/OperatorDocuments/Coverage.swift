public import KernelHeaders

/// Which kernels the fleet runs, and what of them the server lacks: the answer of `GET /v1/coverage`. A kernel runs if a
/// host's last report was of it.
public struct Coverage: Codable, Sendable, Equatable {
    /// How many of something there are, and how many of those the server has what of.
    public struct Count: Codable, Sendable, Equatable {
        public var all: Int
        public var headers: Int
        /// Kernels that have none count, too: nothing of them is lacking.
        public var btf: Int
        public var pch: Int

        public init(all: Int, headers: Int, btf: Int, pch: Int) {
            self.all = all
            self.headers = headers
            self.btf = btf
            self.pch = pch
        }
    }

    /// A kernel that runs, of which the server lacks something.
    public struct Gap: Codable, Sendable, Equatable {
        public enum What: String, Codable, Sendable {
            case headers
            /// Not of kernels that have none.
            case btf
        }

        /// Its members stand beside the others in the JSON form.
        public var kernel: KernelEntry
        public var lacks: [What]
        /// What the agents found, the most frequent first; at most ``KernelDetail/maximumReports``.
        public var reports: [AgentReport]
        /// Why the server turned down what a host uploaded of what is lacking, in a sentence; nil if it did not do so lately.
        public var refusal: String?

        public init(kernel: KernelEntry, lacks: [What], reports: [AgentReport]) {
            self.kernel = kernel
            self.lacks = lacks
            self.reports = reports
        }

        /// In words, what the server had and lost; nil if nothing.
        public var loss: String? {
            let names = kernel.damaged.map { $0 == .btf ? "BTF" : "headers" }
            return names.isEmpty ? nil : "lost to damage of the server's disk: \(names.joined(separator: ", "))"
        }

        private enum CodingKeys: String, CodingKey { case lacks, reports, refusal }

        public init(from decoder: any Decoder) throws {
            let values = try decoder.container(keyedBy: CodingKeys.self)
            kernel = try KernelEntry(from: decoder)
            lacks = try values.decode([What].self, forKey: .lacks)
            reports = try values.decode([AgentReport].self, forKey: .reports)
            refusal = try values.decodeIfPresent(String.self, forKey: .refusal)
        }

        public func encode(to encoder: any Encoder) throws {
            try kernel.encode(to: encoder)
            var values = encoder.container(keyedBy: CodingKeys.self)
            try values.encode(lacks, forKey: .lacks)
            try values.encode(reports, forKey: .reports)
            try values.encodeIfPresent(refusal, forKey: .refusal)
        }
    }

    /// Several builds under one release, all of which run.
    public struct AmbiguousRelease: Codable, Sendable, Equatable {
        public struct Build: Codable, Sendable, Equatable {
            public var buildID: BuildID
            public var versionLine: String?
            public var hosts: Int
            public var hasHeaders: Bool

            public init(buildID: BuildID, versionLine: String?, hosts: Int, hasHeaders: Bool) {
                self.buildID = buildID
                self.versionLine = versionLine
                self.hosts = hosts
                self.hasHeaders = hasHeaders
            }
        }

        public var release: String
        /// How many there are; ``builds`` has at most ``Coverage/maximumBuilds``, in the order of the build ID.
        public var count: Int
        public var builds: [Build]

        public init(release: String, count: Int, builds: [Build]) {
            self.release = release
            self.count = count
            self.builds = builds
        }
    }

    /// The most ``gaps``, ``releases`` and ``conflicts`` of an answer, unless it was asked for fewer.
    public static let maximumLimit = 1000
    /// The most builds of a release.
    public static let maximumBuilds = 20

    /// When, as seconds since 1970.
    public var time: Int
    public var kernels: Count
    public var hosts: Count
    /// Those that most hosts run come first. There are ``gapCount``.
    public var gaps: [Gap]
    public var gapCount: Int
    /// In their order. There are ``releaseCount``.
    public var releases: [AmbiguousRelease]
    public var releaseCount: Int
    /// In the order of the build ID. There are ``conflictCount`` kernels with conflicts.
    public var conflicts: [KernelConflict]
    public var conflictCount: Int

    public init(
        time: Int, kernels: Count, hosts: Count, gaps: [Gap], gapCount: Int, releases: [AmbiguousRelease],
        releaseCount: Int, conflicts: [KernelConflict], conflictCount: Int
    ) {
        self.time = time
        self.kernels = kernels
        self.hosts = hosts
        self.gaps = gaps
        self.gapCount = gapCount
        self.releases = releases
        self.releaseCount = releaseCount
        self.conflicts = conflicts
        self.conflictCount = conflictCount
    }
}
