/// What an archive may cost. Kernel headers are 25 to 45 MB in 6,000 to 17,000 files of up to 1 MB, 8 times smaller
/// compressed; the standard limits are some 20 times that.
public struct ArchiveLimits: Sendable, Equatable {
    /// Bytes of the archive as it is sent, compressed.
    public var archiveBytes = 1 << 30
    /// Bytes of the tar inside.
    public var unpackedBytes = 1 << 30
    /// Bytes of one file.
    public var fileBytes = 16 << 20
    /// Entries of any kind.
    public var entries = 100_000
    /// How many times larger than the compressed bytes read so far the tar may be, once it is over ``ratioFloor``.
    public var ratio = 100
    /// Bytes of tar from which the ratio counts: a small archive of repetitive files is no attack.
    public var ratioFloor = 64 << 20
    /// Bytes of all names and link targets together: they are kept in memory, as the tree's manifest. Real trees have 1 MB.
    public var nameBytes = 16 << 20
    /// Bytes of a pax header or a GNU long name.
    public var metadataBytes = 1 << 16
    /// How long unpacking may take, in seconds.
    public var seconds = 300

    public init() {}

    /// The limits used unless an operator says otherwise.
    public static let standard = ArchiveLimits()
}
