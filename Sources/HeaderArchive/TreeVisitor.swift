public import KernelHeaders

/// Takes the files of a tree as they are read, each as `beginFile`, any number of `write`, `endFile`.
///
/// A hard link in an archive is an earlier file again: it is in the manifest, and does not come by here.
public protocol TreeVisitor: AnyObject {
    /// - Parameter size: bytes of contents that will come.
    func beginFile(_ path: HeaderPath, size: Int, executable: Bool) throws
    func write(_ bytes: UnsafeRawBufferPointer) throws
    /// - Parameter digest: SHA-256 of what was written since `beginFile`.
    func endFile(_ path: HeaderPath, digest: KernelHeaders.Digest) throws
}

/// Takes nothing: for those who want the manifest only.
public final class ManifestOnly: TreeVisitor {
    public init() {}
    public func beginFile(_ path: HeaderPath, size: Int, executable: Bool) {}
    public func write(_ bytes: UnsafeRawBufferPointer) {}
    public func endFile(_ path: HeaderPath, digest: KernelHeaders.Digest) {}
}
