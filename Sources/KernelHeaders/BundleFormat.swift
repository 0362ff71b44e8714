/// The forms in which a tree is downloaded as one file, named by the extension in the URL.
public enum BundleFormat: String, Codable, Sendable, CaseIterable {
    case tarZstd = "tar.zst"
    case tarXZ = "tar.xz"
    case tarGzip = "tar.gz"
    case tar = "tar"

    /// The registered media type (IANA; RFC 8878, RFC 6713), or the customary one where none is registered.
    public var mediaType: String {
        switch self {
        case .tarZstd: "application/zstd"
        case .tarXZ: "application/x-xz"
        case .tarGzip: "application/gzip"
        case .tar: "application/x-tar"
        }
    }
}
