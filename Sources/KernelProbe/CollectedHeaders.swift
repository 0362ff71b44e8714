internal import Glibc
public import HeaderArchive
public import KernelHeaders

/// The running kernel's headers, as they were found on its host.
public struct CollectedHeaders: Sendable {
    /// In what form.
    public enum Contents: Sendable {
        /// The kernel's own archive, an xz-compressed tar.
        case archive(CollectedArchive)
        /// Folders, to be packed.
        case folder(HeaderFolder)
    }

    public let origin: HeaderOrigin
    /// The path, for people.
    public let name: String
    public let contents: Contents
    /// What else there is to say: how it was proven that they are this kernel's.
    public let detail: String?
}

/// An open file with an archive. It stays readable when its module is unloaded or the file is removed.
public final class CollectedArchive: Sendable {
    private let file: FileBytes

    init(_ file: FileBytes) { self.file = file }

    /// Bytes.
    public var size: Int { file.count }

    /// A descriptor of its own, at the file's start, for the caller to close.
    ///
    /// - Throws: `SystemCallError`.
    public func descriptor() throws -> CInt {
        let copy = try SystemCallError.check("fcntl", nil) { fcntl(file.descriptor, F_DUPFD_CLOEXEC, 3) }
        lseek(copy, 0, SEEK_SET)
        return copy
    }
}
