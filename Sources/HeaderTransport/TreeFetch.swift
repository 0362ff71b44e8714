internal import Glibc
public import HeaderArchive
public import KernelHeaders

/// Brings a kernel's tree into a folder: all of it and checked, or nothing.
///
/// The tree is unpacked into a hidden folder beside its place, `.NAME.XXXXXX`, and hashed as it is written; once its
/// digest is the one asked for, a rename gives it its name. When something fails, or the task is cancelled, the hidden folder
/// is removed; only a killed process can leave one, and it is never taken for a tree.
public struct TreeFetch: Sendable {
    /// A tree that is there.
    public struct Tree: Sendable, Equatable {
        /// Absolute.
        public let path: String
        public let treeDigest: KernelHeaders.Digest
        /// Regular files, and the bytes of their contents.
        public let files: Int
        public let bytes: Int
    }

    private let client: HeaderServerClient
    private let progress: TransferProgress?

    public init(client: HeaderServerClient, progress: TransferProgress? = nil) {
        self.client = client
        self.progress = progress
    }

    /// - Parameters:
    ///   - tree: the digest of the kernel's tree; nil for the one that the server names.
    ///   - destination: a folder that is not there yet, or empty.
    /// - Throws: ``TreeFetchError``, what ``HeaderServerClient`` throws, `SystemCallError`, `Problem` with `disk-full`.
    public func fetch(
        _ id: BuildID, tree: KernelHeaders.Digest? = nil, to destination: String
    ) async throws -> Tree {
        try await fetch(id, tree: tree, to: try TreeDestination(destination))
    }

    func fetch(
        _ id: BuildID, tree: KernelHeaders.Digest? = nil, to destination: TreeDestination
    ) async throws -> Tree {
        let folder = try ScratchFolder(prefix: destination.stagingPrefix)
        defer { folder.remove() }
        let tree =
            if let tree { try await fill(folder.path, with: tree) } else { try await fill(folder.path, of: id) }
        try Task.checkCancellation()
        do {
            try folder.publish(as: destination.path)
        } catch let error as SystemCallError where [ENOTEMPTY, EEXIST, ENOTDIR].contains(error.number) {
            // Another process was first.
            throw TreeFetchError.destinationTaken(destination.path)
        }
        return Tree(path: destination.path, treeDigest: tree.digest, files: tree.files, bytes: tree.bytes)
    }

    /// Unpacks a tree's bundle into a folder that is there and empty, and which the caller will give its name.
    ///
    /// Each file is hashed while it is written; the digest of the list of them all is the tree digest, or it is not the
    /// tree that was asked for. When this throws, the folder is empty again.
    ///
    /// - Throws: as ``fetch(_:to:)`` does.
    public func fill(
        _ folder: String, with tree: KernelHeaders.Digest, access: TreeExtractor.Access = .writable
    ) async throws -> TreeUnpacker.Tree {
        try await client.bundle(tree: tree, progress: progress) { source, cancellation in
            try Self.unpack(source, tree, to: TreeUnpacker(folder: folder, access: access), cancellation)
        }
    }

    /// The same for a kernel, whose tree is the one that the server names.
    public func fill(
        _ folder: String, of id: BuildID, access: TreeExtractor.Access = .writable
    ) async throws -> TreeUnpacker.Tree {
        try await client.bundle(of: id, progress: progress) { source, tree, cancellation in
            try Self.unpack(source, tree, to: TreeUnpacker(folder: folder, access: access), cancellation)
        }
    }

    static func unpack(
        _ bundle: any ByteSource, _ tree: KernelHeaders.Digest, to unpacker: TreeUnpacker, _ cancellation: Cancellation
    ) throws -> TreeUnpacker.Tree {
        do {
            return try unpacker.unpack(bundle, limits: limits) { found in
                guard found.digest == tree else {
                    throw TreeFetchError.treeDiffers(asked: tree, found: found.digest)
                }
                try cancellation.check()
            }
        } catch let problem as Problem where problem.code != .diskFull {
            throw TreeFetchError.bundleRefused(problem)
        }
    }

    // The transfer has its own limit on silence, and a slow network is no attack.
    private static var limits: ArchiveLimits {
        var limits = ArchiveLimits.standard
        limits.seconds = 24 * 60 * 60
        return limits
    }
}
