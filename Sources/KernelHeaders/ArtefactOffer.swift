/// What a host could upload of its kernel.
public struct ArtefactOffer: Codable, Sendable, Equatable {
    public var artefact: Artefact
    /// Where headers come from; nil for BTF.
    public var origin: HeaderOrigin?
    /// Bytes of the archive (or BTF) as it lies there; nil if it has to be made first.
    public var bytes: Int?
    /// Its SHA-256; nil if it has to be made first, or to be got by loading a module.
    public var digest: Digest?

    public init(_ artefact: Artefact, origin: HeaderOrigin? = nil, bytes: Int? = nil, digest: Digest? = nil) {
        self.artefact = artefact
        self.origin = origin
        self.bytes = bytes
        self.digest = digest
    }
}
