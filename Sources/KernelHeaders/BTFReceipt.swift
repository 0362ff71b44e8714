/// The server's answer to an upload of BTF: 201 if the kernel's BTF is new to it, 200 if it had this very BTF.
public struct BTFReceipt: Codable, Sendable, Equatable {
    public var buildID: BuildID
    /// SHA-256 of the raw BTF.
    public var digest: Digest
    /// Bytes of the raw BTF.
    public var bytes: Int
    /// Bytes that the upload added to the store.
    public var storedBytes: Int

    public init(buildID: BuildID, digest: Digest, bytes: Int, storedBytes: Int) {
        self.buildID = buildID
        self.digest = digest
        self.bytes = bytes
        self.storedBytes = storedBytes
    }
}
