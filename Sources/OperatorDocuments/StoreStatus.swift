/// What the store holds, as `GET /v1/store` answers it. All sizes are bytes.
public struct StoreStatus: Codable, Sendable, Equatable {
    public var kernels: Int
    public var trees: Int
    public var conflicts: Int
    /// Distinct files' contents.
    public var blobs: Int
    /// Files of all kernels, each counted in every kernel that has it, and their bytes.
    public var files: Int
    public var rawBytes: Int
    /// Bytes of the distinct contents, before compression.
    public var blobBytes: Int
    public var packs: Int
    /// Kernels whose BTF is here, with or without headers.
    public var btfKernels: Int
    /// Hosts that are remembered.
    public var hosts: Int
    /// Bytes on disk: packs (contents and manifests), the catalogue with its journal, the cached bundles, and BTF.
    public var packBytes: Int
    public var catalogueBytes: Int
    public var bundleBytes: Int
    public var btfBytes: Int
    /// The cached PCHs, and their bytes on disk, compressed forms included; nil from a server that makes none.
    public var pchs: Int?
    public var pchBytes: Int?
    /// The most bytes of bundles and of PCHs that are kept.
    public var bundleLimit: Int?
    public var pchLimit: Int?
    /// The size of the store's disk, what of it is free, and what of that is promised to uploads and builds under way.
    public var diskBytes: Int?
    public var diskFreeBytes: Int?
    public var diskReservedBytes: Int?
    /// Whether uploads are refused, as the disk is full.
    public var isReadOnly: Bool?
    /// PCH builds and smoke compiles that wait, and that run.
    public var jobsWaiting: Int?
    public var jobsRunning: Int?
    /// Trees that no kernel has: what a collect would remove.
    public var deadTrees: Int?
    /// Contents that a verify found damaged and no upload has brought back yet; kernels that lack some, or their manifest.
    public var lostBlobs: Int?
    public var damagedKernels: Int?
    /// Kernels whose BTF was found damaged, and that no upload has brought back yet.
    public var lostBTF: Int?
    /// Files in quarantine, and their bytes.
    public var quarantined: Int?
    public var quarantinedBytes: Int?
    /// Packs that came in compressed fast, or were not looked at yet, and their bytes: what a repack may make smaller.
    public var loosePacks: Int?
    public var loosePackBytes: Int?
    /// How the verify stands, the last collect, and the repack.
    public var verify: StoreVerification?
    public var collect: StoreCollection?
    public var repack: StoreRepacking?

    public init(
        kernels: Int, trees: Int, conflicts: Int, blobs: Int, files: Int, rawBytes: Int, blobBytes: Int, packs: Int,
        packBytes: Int, catalogueBytes: Int, bundleBytes: Int, btfKernels: Int = 0, btfBytes: Int = 0,
        hosts: Int = 0, pchs: Int? = nil, pchBytes: Int? = nil
    ) {
        self.kernels = kernels
        self.trees = trees
        self.conflicts = conflicts
        self.blobs = blobs
        self.files = files
        self.rawBytes = rawBytes
        self.blobBytes = blobBytes
        self.packs = packs
        self.packBytes = packBytes
        self.catalogueBytes = catalogueBytes
        self.bundleBytes = bundleBytes
        self.btfKernels = btfKernels
        self.hosts = hosts
        self.btfBytes = btfBytes
        self.pchs = pchs
        self.pchBytes = pchBytes
    }
}
