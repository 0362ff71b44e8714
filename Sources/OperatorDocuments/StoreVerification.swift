public import KernelHeaders

/// How the verify of a server's store stands, as `GET /v1/store/verify` answers it. All sizes are bytes, times seconds since
/// 1970.
///
/// A round reads all that is in the store once, slowly in the background or at once when an operator asks. The next one
/// begins some days later.
public struct StoreVerification: Codable, Sendable, Equatable {
    public enum State: String, Codable, Sendable {
        /// No round is under way, or it waits for the server's next start.
        case idle
        case running
    }

    public var state = State.idle
    /// Counts the rounds; 0 if there never was one.
    public var round = 0
    /// Whether an operator asked for the round, which is not slowed down then.
    public var isOnDemand = false
    /// When the round began and ended; nil if it did not yet.
    public var started: Int?
    public var ended: Int?
    /// Files and their bytes: those that the round has read, and all.
    public var files = 0
    public var allFiles = 0
    public var bytes = 0
    public var allBytes = 0
    /// What the round found damaged: how many files, and the first hundred of them.
    public var found = 0
    public var findings: [StoreDamage] = []
    /// Why the round could not go on; nil if it did.
    public var failure: String?
    /// When the last round before this one that read everything ended; nil if none did.
    public var lastEnded: Int?
    /// What the last round before this one that found anything found; nil if none did.
    public var earlier: Findings?

    public static let maximumFindings = 100

    public init() {}

    /// When everything had been read for the last time, as seconds since 1970; nil if it never was.
    public var lastWhole: Int? { ended ?? lastEnded }

    /// How many damaged files the last whole round found; one under way counts once it has found some itself.
    public var lastFound: Int {
        let isOfRoundBefore = state == .running && earlier?.round == round - 1
        return found == 0 && isOfRoundBefore ? earlier?.found ?? 0 : found
    }

    /// What the last round that found anything found, this one included; nil if none did.
    public var lastFindings: Findings? {
        found > 0 ? Findings(round: round, started: started, found: found, findings: findings) : earlier
    }
}

extension StoreVerification {
    /// What a round found damaged, with what was done about it then.
    public struct Findings: Codable, Sendable, Equatable {
        public var round: Int
        public var started: Int?
        /// How many files, and the first ``StoreVerification/maximumFindings`` of them.
        public var found: Int
        public var findings: [StoreDamage]

        public init(round: Int, started: Int?, found: Int, findings: [StoreDamage]) {
            self.round = round
            self.started = started
            self.found = found
            self.findings = findings
        }
    }
}

/// A damaged file of a store, and what was done about it.
public struct StoreDamage: Codable, Sendable, Equatable {
    public enum Kind: String, Codable, Sendable {
        /// Put into quarantine; what is good of it was written anew, and the rest comes back with the next upload.
        case pack, btf
        /// Removed; it is made again when it is asked for.
        case bundle, pch
    }

    public var kind: Kind
    /// Of the file.
    public var name: String
    /// Seconds since 1970.
    public var time: Int
    /// A sentence for people.
    public var detail: String
    /// The kernels that can't be had whole until they are uploaded again, and the paths in their trees: how many, and the
    /// first hundred of each.
    public var kernelCount = 0
    public var kernels: [BuildID] = []
    public var pathCount = 0
    public var paths: [String] = []
    /// Of a pack: how many distinct files' contents are lost with it, and how many manifests. With a manifest, all paths of
    /// its tree are, which are not among ``paths``: nothing else knows them.
    public var lostContents: Int?
    public var lostManifests: Int?

    public static let maximumNames = 100

    public init(
        _ kind: Kind, name: String, time: Int, detail: String, kernels: [BuildID] = [], paths: [HeaderPath] = []
    ) {
        self.kind = kind
        self.name = name
        self.time = time
        self.detail = detail
        kernelCount = kernels.count
        self.kernels = Array(kernels.prefix(Self.maximumNames))
        pathCount = paths.count
        self.paths = paths.prefix(Self.maximumNames).map(\.string)
    }
}
