internal import Glibc
internal import HeaderArchive
public import KernelHeaders

/// Brings a kernel's tree into a folder: all of it and checked, or nothing.
///
/// The tree is unpacked into a hidden folder beside its place, `.NAME.XXXXXX`, each file is held against the manifest
/// as it is written, and a rename gives it its name. When something fails, or the task is cancelled, the hidden folder
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

    /// - Parameter destination: a folder that is not there yet, or empty.
    /// - Throws: ``TreeFetchError``, what ``HeaderServerClient`` throws, `SystemCallError`.
    public func fetch(_ id: BuildID, to destination: String) async throws -> Tree {
        let destination = try TreeDestination(destination)
        let (manifest, digest) = try await client.manifest(of: id)
        try await client.bundle(tree: digest, progress: progress) { source, cancellation in
            try Self.unpack(source, manifest, to: destination, cancellation)
        }
        return Tree(
            path: destination.path, treeDigest: digest, files: manifest.fileCount, bytes: manifest.contentBytes)
    }

    static func unpack(
        _ bundle: any ByteSource, _ manifest: TreeManifest, to destination: TreeDestination,
        _ cancellation: Cancellation
    ) throws {
        let folder = try ScratchFolder(prefix: destination.stagingPrefix)
        defer { folder.remove() }
        let extractor = try TreeExtractor(directory: folder.path)
        let verifier = TreeVerifier(manifest, next: extractor)
        do {
            let found = try HeaderTreeReader.read(bundle, limits: limits, visitor: verifier)
            try verifier.finish(found)
        } catch let problem as Problem {
            throw TreeFetchError.bundleRefused(problem)
        }
        try extractor.finish(manifest)
        try cancellation.check()
        do {
            try folder.publish(as: destination.path)
        } catch let error as SystemCallError where [ENOTEMPTY, EEXIST, ENOTDIR].contains(error.number) {
            // Another process was first.
            throw TreeFetchError.destinationTaken(destination.path)
        }
    }

    // The transfer has its own limit on silence, and a slow network is no attack.
    private static var limits: ArchiveLimits {
        var limits = ArchiveLimits.standard
        limits.seconds = 24 * 60 * 60
        return limits
    }
}
