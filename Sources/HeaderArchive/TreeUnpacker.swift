public import KernelHeaders

/// Puts a tree into a folder: all of it, or nothing.
///
/// The folder is its caller's: it is there, empty, and nobody else writes to it. When something fails it is empty again.
/// Whoever wants the tree to appear at once gives the folder its name afterwards.
public struct TreeUnpacker: Sendable {
    /// What was put there.
    public struct Tree: Sendable, Equatable {
        public let digest: KernelHeaders.Digest
        /// Regular files, and the bytes of their contents.
        public let files: Int
        public let bytes: Int

        init(_ manifest: TreeManifest) {
            digest = manifest.digest
            files = manifest.fileCount
            bytes = manifest.contentBytes
        }
    }

    private let folder: String
    private let access: TreeExtractor.Access

    /// - Parameter folder: its path.
    public init(folder: String, access: TreeExtractor.Access = .writable) {
        self.folder = folder
        self.access = access
    }

    /// Unpacks an archive, compressed or not: a server's bundle, the kernel's own `kheaders.tar.xz`.
    ///
    /// - Parameter check: is told what was found before the last step, and throws if it is not what was wanted.
    /// - Throws: `Problem` with an `archive-…` code, or `disk-full`; ``SystemCallError``; what the source or the check
    ///   throws.
    @discardableResult
    public func unpack(
        _ archive: any ByteSource, limits: ArchiveLimits = .standard, check: (Tree) throws -> Void = { _ in }
    ) throws -> Tree {
        try fill({ try HeaderTreeReader.read(archive, limits: limits, visitor: $0) }, check)
    }

    /// Copies the headers of a kernel's folders, as they are in `/lib/modules/RELEASE`.
    ///
    /// - Throws: as ``unpack(_:limits:check:)`` does.
    @discardableResult
    public func copy(
        _ headers: HeaderFolder, limits: ArchiveLimits = .standard, check: (Tree) throws -> Void = { _ in }
    ) throws -> Tree {
        try fill({ try headers.read($0, limits: limits) }, check)
    }

    private func fill(
        _ read: (any TreeVisitor) throws -> TreeManifest, _ check: (Tree) throws -> Void
    ) throws -> Tree {
        // Outside: a folder that cannot be opened is not emptied.
        let extractor = try TreeExtractor(directory: folder, access: access)
        do {
            let manifest = try WriteBehind.read(into: extractor, read)
            let tree = Tree(manifest)
            try check(tree)
            try extractor.finish(manifest)
            return tree
        } catch {
            FolderRemoval.empty(folder)
            guard let error = error as? SystemCallError, error.isDiskFull else { throw error }
            throw Problem(
                .diskFull,
                "The disk that \(folder) is on is full (\(error)). Make room there, or name a folder on another one.")
        }
    }
}
