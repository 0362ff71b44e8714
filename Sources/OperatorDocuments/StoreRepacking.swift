/// How far a repack is, or what the last one did: `GET /v1/store/repack`. All sizes are bytes, times seconds since 1970.
///
/// An ingest of a whole new tree compresses fast. A repack compresses what came in so again, as tightly as pays.
public struct StoreRepacking: Codable, Sendable, Equatable {
    public enum State: String, Codable, Sendable {
        case idle, running
    }

    public var state = State.idle
    /// Counts the repacks; 0 if there never was one.
    public var run = 0
    public var started: Int?
    public var ended: Int?
    /// Packs and their bytes: those that it has done, and all that it has to.
    public var packs = 0
    public var allPacks = 0
    public var bytes = 0
    public var allBytes = 0
    /// Packs that became smaller, and by how many bytes.
    public var packsRewritten = 0
    public var freedBytes = 0
    /// Why it could not do all of it; nil if it did.
    public var failure: String?

    public init() {}
}
