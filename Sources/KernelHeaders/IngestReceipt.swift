/// The server's answer to an upload of headers: 201 if the kernel's tree is new to it, 200 if it had it already.
public struct IngestReceipt: Codable, Sendable, Equatable {
    public var buildID: BuildID
    public var treeDigest: Digest
    /// Regular files in the tree.
    public var files: Int
    /// Bytes of the files' contents.
    public var bytes: Int
    /// Files' contents that no earlier kernel had.
    public var newBlobs: Int
    /// Their bytes, before compression.
    public var newBytes: Int
    /// Bytes that the upload added to the store's packs.
    public var storedBytes: Int

    public init(
        buildID: BuildID, treeDigest: Digest, files: Int, bytes: Int, newBlobs: Int, newBytes: Int, storedBytes: Int
    ) {
        self.buildID = buildID
        self.treeDigest = treeDigest
        self.files = files
        self.bytes = bytes
        self.newBlobs = newBlobs
        self.newBytes = newBytes
        self.storedBytes = storedBytes
    }
}
