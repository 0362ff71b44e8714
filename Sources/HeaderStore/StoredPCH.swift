public import KernelHeaders

/// A PCH of the store, open for sending.
public struct StoredPCH: Sendable {
    /// Who made it, in the words of whoever published it.
    public let rank: String
    /// The digest of the tree that it was made of.
    public let tree: Digest
    public let file: DerivedFile
    /// The same as one zstd frame.
    public let compressed: DerivedFile
}
