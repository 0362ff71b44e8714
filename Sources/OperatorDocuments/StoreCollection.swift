/// What a collect removed, or would: `GET /v1/store/collect`. All sizes are bytes, times seconds since 1970.
public struct StoreCollection: Codable, Sendable, Equatable {
    public enum State: String, Codable, Sendable {
        case idle, running
    }

    public var state = State.idle
    /// Counts the collects; 0 if there never was one.
    public var run = 0
    /// Whether nothing was changed: this is what would go.
    public var isDryRun = false
    public var started: Int?
    public var ended: Int?
    /// Trees that no kernel has.
    public var trees = 0
    /// Contents that are in no tree, and that nothing is compressed with; and their bytes, before compression.
    public var blobs = 0
    public var blobBytes = 0
    /// Packs that nothing is left of; packs that are written anew without what is dead.
    public var packsRemoved = 0
    public var packsRewritten = 0
    /// Bundles and PCHs of those trees; files that nothing refers to, those in quarantine among them.
    public var derived = 0
    public var strays = 0
    /// Bytes that it gave back to the disk; of a dry run, a guess.
    public var freedBytes = 0
    /// Why it could not do all of it; nil if it did.
    public var failure: String?

    public init() {}
}
