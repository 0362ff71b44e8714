internal import Glibc
public import KernelHeaders

/// Writes a tree below a folder that nobody else writes to.
///
/// Every step is anchored to the folder's descriptor and follows no link: `mkdirat` and `openat` with `O_NOFOLLOW`, each
/// component on its own. Links, hard and symbolic, are made last, by ``finish(_:)``, so that no file can be written
/// through one.
public final class TreeExtractor: TreeVisitor {
    private let root: CInt
    private var folders: [HeaderPath: CInt] = [:]
    private var file: CInt = -1
    private var fileSink: FileSink?
    private var fileIsExecutable = false
    /// What was written, and where contents can be found again.
    private var written: Set<HeaderPath> = []
    private var places: [Contents: HeaderPath] = [:]
    /// Descriptors of folders kept open; a tree has some 340 folders, and a process may have 1,024 descriptors.
    private static let openFolders = 128

    private struct Contents: Hashable {
        let digest: KernelHeaders.Digest
        let executable: Bool
    }

    /// - Parameter directory: an existing folder, empty.
    public init(directory: String) throws {
        root = try SystemCallError.check("open", directory) {
            open(directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
        }
    }

    deinit {
        if file >= 0 { close(file) }
        for descriptor in folders.values { close(descriptor) }
        close(root)
    }

    public func beginFile(_ path: HeaderPath, size: Int, executable: Bool) throws {
        let folder = try openParent(of: path)
        let name = path.components[path.components.count - 1]
        file = try SystemCallError.check("openat", path.string) {
            openat(
                folder, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode_t(executable ? 0o755 : 0o644))
        }
        fileSink = FileSink(borrowing: file)
        fileIsExecutable = executable
    }

    public func write(_ bytes: UnsafeRawBufferPointer) throws { try fileSink?.write(bytes) }

    public func endFile(_ path: HeaderPath, digest: KernelHeaders.Digest) throws {
        try fileSink?.finish()
        fileSink = nil
        let closing = file
        file = -1
        // A full disk may show only now (NFS, quotas).
        guard close(closing) == 0 else { throw SystemCallError(call: "close", path: path.string, number: errno) }
        written.insert(path)
        places[Contents(digest: digest, executable: fileIsExecutable)] = path
    }

    /// Makes the links.
    ///
    /// - Parameter manifest: of the tree that was written.
    /// - Throws: ``SystemCallError``; `Problem` with `internal-error` if the manifest is another tree's.
    public func finish(_ manifest: TreeManifest) throws {
        for entry in manifest.entries {
            guard case .file(_, let digest, let executable) = entry.kind, !written.contains(entry.path) else {
                continue
            }
            guard let place = places[Contents(digest: digest, executable: executable)] else {
                throw Problem(.internalError, "\(entry.path.shown) is in the manifest, but not in what was unpacked.")
            }
            let folder = try openParent(of: entry.path)
            let name = entry.path.components[entry.path.components.count - 1]
            // The place was made by this object and has no symbolic link above it.
            try SystemCallError.check("linkat", entry.path.string) { linkat(root, place.string, folder, name, 0) }
        }
        for entry in manifest.entries {
            guard case .link(let target) = entry.kind else { continue }
            let folder = try openParent(of: entry.path)
            let name = entry.path.components[entry.path.components.count - 1]
            try SystemCallError.check("symlinkat", entry.path.string) { symlinkat(target, folder, name) }
        }
    }

    private func openParent(of path: HeaderPath) throws -> CInt {
        var parent = root
        for ancestor in path.ancestors {
            if let known = folders[ancestor] {
                parent = known
                continue
            }
            let name = ancestor.components[ancestor.components.count - 1]
            if mkdirat(parent, name, 0o755) != 0, errno != EEXIST {
                throw SystemCallError(call: "mkdirat", path: ancestor.string, number: errno)
            }
            let descriptor = try SystemCallError.check("openat", ancestor.string) {
                openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
            }
            forgetFolders(unless: path.ancestors)
            folders[ancestor] = descriptor
            parent = descriptor
        }
        return parent
    }

    private func forgetFolders(unless needed: [HeaderPath]) {
        guard folders.count >= Self.openFolders else { return }
        for (path, descriptor) in folders where !needed.contains(path) {
            close(descriptor)
            folders[path] = nil
        }
    }
}
