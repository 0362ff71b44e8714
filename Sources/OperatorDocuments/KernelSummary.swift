public import KernelHeaders

/// A kernel of which the server has the headers.
public struct KernelSummary: Codable, Sendable, Equatable {
    public var identity: KernelIdentity
    public var source: HeaderSource
    public var treeDigest: Digest
    /// Regular files in the tree, and the bytes of their contents.
    public var files: Int
    public var bytes: Int
    /// When the kernel was first and last reported to this server, as seconds since 1970.
    public var firstSeen: Int
    public var lastSeen: Int
    /// Other trees that were posted for the same build ID, and refused.
    public var conflicts: Int
    /// Bytes of the kernel's BTF if this server has it (``APIPath/btfSection(_:)``), else nil.
    public var btfBytes: Int?
    /// Hosts whose last report was of this kernel; nil from a server that does not count them.
    public var hosts: Int?
    /// Whether a small program compiles with the headers; nil from a server that does not try.
    public var smoke: SmokeResult?

    public init(
        identity: KernelIdentity, source: HeaderSource, treeDigest: Digest, files: Int, bytes: Int, firstSeen: Int,
        lastSeen: Int, conflicts: Int, btfBytes: Int? = nil, hosts: Int? = nil, smoke: SmokeResult? = nil
    ) {
        self.identity = identity
        self.source = source
        self.treeDigest = treeDigest
        self.files = files
        self.bytes = bytes
        self.firstSeen = firstSeen
        self.lastSeen = lastSeen
        self.conflicts = conflicts
        self.btfBytes = btfBytes
        self.hosts = hosts
        self.smoke = smoke
    }

    private enum CodingKeys: String, CodingKey {
        case buildID, release, versionLine, architecture, hasBTF
        case source, treeDigest, files, bytes, firstSeen, lastSeen, conflicts, btfBytes, hosts, smoke
    }

    // The identity's members stand beside the others, so that `jq '.kernels[].release'` does what one expects.
    public init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        identity = try KernelIdentity(from: decoder)
        source = try values.decode(HeaderSource.self, forKey: .source)
        treeDigest = try values.decode(Digest.self, forKey: .treeDigest)
        files = try values.decode(Int.self, forKey: .files)
        bytes = try values.decode(Int.self, forKey: .bytes)
        firstSeen = try values.decode(Int.self, forKey: .firstSeen)
        lastSeen = try values.decode(Int.self, forKey: .lastSeen)
        conflicts = try values.decode(Int.self, forKey: .conflicts)
        btfBytes = try values.decodeIfPresent(Int.self, forKey: .btfBytes)
        hosts = try values.decodeIfPresent(Int.self, forKey: .hosts)
        smoke = try values.decodeIfPresent(SmokeResult.self, forKey: .smoke)
    }

    public func encode(to encoder: any Encoder) throws {
        try identity.encode(to: encoder)
        var values = encoder.container(keyedBy: CodingKeys.self)
        try values.encode(source, forKey: .source)
        try values.encode(treeDigest, forKey: .treeDigest)
        try values.encode(files, forKey: .files)
        try values.encode(bytes, forKey: .bytes)
        try values.encode(firstSeen, forKey: .firstSeen)
        try values.encode(lastSeen, forKey: .lastSeen)
        try values.encode(conflicts, forKey: .conflicts)
        try values.encodeIfPresent(btfBytes, forKey: .btfBytes)
        try values.encodeIfPresent(hosts, forKey: .hosts)
        try values.encodeIfPresent(smoke, forKey: .smoke)
    }
}
