/// How far reading a package has come, for a progress bar.
public struct PackageProgress: Sendable, Equatable {
    /// As it was given.
    public let path: String
    /// Bytes of the package read, and all it has. Not all need be read.
    public let bytesRead: Int
    public let bytesTotal: Int

    /// Takes news of progress; called often, and on the caller's thread.
    public typealias Handler = (PackageProgress) -> Void
}
