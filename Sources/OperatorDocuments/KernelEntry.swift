public import KernelHeaders

/// One kernel of the server's list: one that hosts run, or that the server has something of.
public struct KernelEntry: Codable, Sendable, Equatable {
    /// A kernel's headers on the server.
    public struct Headers: Sendable, Equatable {
        public var source: HeaderSource
        public var treeDigest: Digest
        /// Regular files in the tree, and the bytes of their contents.
        public var files: Int
        public var bytes: Int

        public init(source: HeaderSource, treeDigest: Digest, files: Int, bytes: Int) {
            self.source = source
            self.treeDigest = treeDigest
            self.files = files
            self.bytes = bytes
        }
    }

    public var identity: KernelIdentity
    /// Who built the kernel (`debian`, `ubuntu`, `fedora`, …), as its version line or release tells; nil if they don't.
    public var distribution: String?
    /// Nil if the server has none.
    public var headers: Headers?
    /// Bytes of the kernel's BTF if this server has it, else nil.
    public var btfBytes: Int?
    /// Whether the server has a PCH of the headers at hand.
    public var hasPCH: Bool
    /// When the kernel was first and last reported to this server, as seconds since 1970.
    public var firstSeen: Int
    public var lastSeen: Int
    /// Hosts whose last report was of this kernel.
    public var hosts: Int
    /// Other headers and other BTF that were posted, or are on hosts, under the same build ID.
    public var conflicts: Int
    /// Whether a small program compiles with the headers; nil if there are none.
    public var smoke: SmokeResult?
    /// Nil unless an operator pinned it.
    public var pin: KernelMark?
    /// Nil unless it was deleted, and did not come back.
    public var purge: KernelMark?
    /// Of what damage of the server's disk took something, and no upload has brought it back yet. ``KernelDetail/damage`` has
    /// more.
    public var damaged: [Artefact]

    public init(
        identity: KernelIdentity, distribution: String? = nil, headers: Headers?, btfBytes: Int? = nil,
        hasPCH: Bool = false, firstSeen: Int, lastSeen: Int, hosts: Int, conflicts: Int, smoke: SmokeResult? = nil,
        pin: KernelMark? = nil, purge: KernelMark? = nil, damaged: [Artefact] = []
    ) {
        self.identity = identity
        self.distribution = distribution
        self.headers = headers
        self.btfBytes = btfBytes
        self.hasPCH = hasPCH
        self.firstSeen = firstSeen
        self.lastSeen = lastSeen
        self.hosts = hosts
        self.conflicts = conflicts
        self.smoke = smoke
        self.pin = pin
        self.purge = purge
        self.damaged = damaged
    }

    /// The same of a kernel with headers; nil if there are none.
    public var summary: KernelSummary? {
        guard let headers else { return nil }
        return KernelSummary(
            identity: identity, source: headers.source, treeDigest: headers.treeDigest, files: headers.files,
            bytes: headers.bytes, firstSeen: firstSeen, lastSeen: lastSeen, conflicts: conflicts, btfBytes: btfBytes,
            hosts: hosts, smoke: smoke)
    }

    private enum CodingKeys: String, CodingKey {
        case distribution, source, treeDigest, files, bytes, btfBytes, hasPCH, firstSeen, lastSeen, hosts, conflicts,
            smoke
        case pin, purge, damaged
    }

    // All in one object, as in `KernelSummary`: `jq '.kernels[].release'` does what one expects.
    public init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        identity = try KernelIdentity(from: decoder)
        distribution = try values.decodeIfPresent(String.self, forKey: .distribution)
        headers = try values.decodeIfPresent(Digest.self, forKey: .treeDigest).map { tree in
            Headers(
                source: try values.decode(HeaderSource.self, forKey: .source), treeDigest: tree,
                files: try values.decode(Int.self, forKey: .files), bytes: try values.decode(Int.self, forKey: .bytes))
        }
        btfBytes = try values.decodeIfPresent(Int.self, forKey: .btfBytes)
        hasPCH = try values.decodeIfPresent(Bool.self, forKey: .hasPCH) ?? false
        firstSeen = try values.decode(Int.self, forKey: .firstSeen)
        lastSeen = try values.decode(Int.self, forKey: .lastSeen)
        hosts = try values.decodeIfPresent(Int.self, forKey: .hosts) ?? 0
        conflicts = try values.decode(Int.self, forKey: .conflicts)
        smoke = try values.decodeIfPresent(SmokeResult.self, forKey: .smoke)
        pin = try values.decodeIfPresent(KernelMark.self, forKey: .pin)
        purge = try values.decodeIfPresent(KernelMark.self, forKey: .purge)
        damaged = try values.decodeIfPresent([Artefact].self, forKey: .damaged) ?? []
    }

    public func encode(to encoder: any Encoder) throws {
        try identity.encode(to: encoder)
        var values = encoder.container(keyedBy: CodingKeys.self)
        try values.encodeIfPresent(distribution, forKey: .distribution)
        try values.encodeIfPresent(headers?.source, forKey: .source)
        try values.encodeIfPresent(headers?.treeDigest, forKey: .treeDigest)
        try values.encodeIfPresent(headers?.files, forKey: .files)
        try values.encodeIfPresent(headers?.bytes, forKey: .bytes)
        try values.encodeIfPresent(btfBytes, forKey: .btfBytes)
        try values.encode(hasPCH, forKey: .hasPCH)
        try values.encode(firstSeen, forKey: .firstSeen)
        try values.encode(lastSeen, forKey: .lastSeen)
        try values.encode(hosts, forKey: .hosts)
        try values.encode(conflicts, forKey: .conflicts)
        try values.encodeIfPresent(smoke, forKey: .smoke)
        try values.encodeIfPresent(pin, forKey: .pin)
        try values.encodeIfPresent(purge, forKey: .purge)
        if !damaged.isEmpty { try values.encode(damaged, forKey: .damaged) }
    }
}
