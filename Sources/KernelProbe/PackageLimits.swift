public import HeaderArchive

/// What a distribution's packages may cost. The standard limits are several times what kernels have.
public struct PackageLimits: Sendable, Equatable {
    /// Bytes that one package's files may unpack to. Image packages have some 400 MB, of modules.
    public var unpackedBytes = 4 << 30
    /// Files, folders and links of one package.
    public var entries = 1_000_000
    /// Bytes of a control file.
    public var controlBytes = 1 << 20
    /// Bytes of an image file. A `vmlinuz` has some 10 MB; a `vmlinux`, as ppc64el has it, some 50 MB.
    public var imageBytes = 256 << 20
    /// Bytes that an image may unpack to, in memory.
    public var imageUnpackedBytes = KernelImage.standardLimit
    /// Headers of one kernel: `fileBytes`, `unpackedBytes` and `entries` count.
    public var headers = ArchiveLimits.standard

    public init() {}

    public static let standard = PackageLimits()
}
