internal import Glibc
public import KernelHeaders

/// Writes a tree below a folder that nobody else writes to.
///
/// Every step is anchored to the folder's descriptor and follows no link: `mkdirat` and `openat` with `O_NOFOLLOW`, each
/// component on its own. Links, hard and symbolic, are made last, by ``finish(_:)``, so that no file can be written
/// through one.
public final class TreeExtractor: TreeVisitor {
    /// Who may change what was written; the process's umask takes its part away from either.
    public enum Access: Sendable {
        /// As tar does: files 0644 or 0755, folders 0755.
        case writable
        /// Files 0444 or 0555, and folders 0555 once all is there; the given folder itself stays as it is.
        case readOnly
    }

    private let root: CInt
    private let access: Access
    /// The folders down to the last file's, and where in ``openPath`` the name of each ends. In an archive that is sorted
    /// by path, as bundles are, each folder is opened once.
    private var openFolders: [(end: Int, descriptor: CInt)] = []
    /// The path of the innermost one.
    private var openPath: [UInt8] = []
    private var file: CInt = -1
    private var written: [HeaderPath] = []

    /// - Parameter directory: an existing folder, empty.
    public init(directory: String, access: Access = .writable) throws {
        self.access = access
        root = try SystemCallError.check("open", directory) {
            open(directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
        }
    }

    deinit {
        if file >= 0 { close(file) }
        for folder in openFolders { close(folder.descriptor) }
        close(root)
    }

    public func beginFile(_ path: HeaderPath, size: Int, executable: Bool) throws {
        let mode: mode_t = access == .readOnly ? (executable ? 0o555 : 0o444) : (executable ? 0o755 : 0o644)
        file = try withParent(of: path) { folder, name in
            try SystemCallError.check("openat", path.string) {
                openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode)
            }
        }
    }

    public func write(_ bytes: UnsafeRawBufferPointer) throws {
        var rest = bytes
        while !rest.isEmpty {
            let count = try SystemCallError.check("write", nil) { Glibc.write(file, rest.baseAddress, rest.count) }
            rest = UnsafeRawBufferPointer(rebasing: rest[count...])
        }
    }

    public func endFile(_ path: HeaderPath, digest: KernelHeaders.Digest) throws {
        let closing = file
        file = -1
        // A full disk may show only now (NFS, quotas).
        guard close(closing) == 0 else { throw SystemCallError(call: "close", path: path.string, number: errno) }
        written.append(path)
    }

    /// Makes the links, and whatever is to be read only so.
    ///
    /// - Parameter manifest: of the tree that was written.
    /// - Throws: ``SystemCallError``; `Problem` with `internal-error` if the manifest is another tree's.
    public func finish(_ manifest: TreeManifest) throws {
        try makeHardLinks(manifest)
        for entry in manifest.entries {
            guard case .link(let target) = entry.kind else { continue }
            try withParent(of: entry.path) { folder, name in
                _ = try SystemCallError.check("symlinkat", entry.path.string) { symlinkat(target, folder, name) }
            }
        }
        if access == .readOnly { try seal(manifest) }
    }

    private struct Contents: Hashable {
        let digest: KernelHeaders.Digest
        let executable: Bool
    }

    /// Files of the manifest that no contents came for are other names of those that came.
    private func makeHardLinks(_ manifest: TreeManifest) throws {
        let files = manifest.entries.lazy.filter { if case .file = $0.kind { true } else { false } }
        if files.map(\.path).elementsEqual(written) { return }
        let written = Set(written)
        var places: [Contents: HeaderPath] = [:]
        for entry in files where written.contains(entry.path) {
            if case .file(_, let digest, let executable) = entry.kind {
                places[Contents(digest: digest, executable: executable)] = entry.path
            }
        }
        for entry in files where !written.contains(entry.path) {
            guard case .file(_, let digest, let executable) = entry.kind,
                let place = places[Contents(digest: digest, executable: executable)]
            else {
                throw Problem(.internalError, "\(entry.path.shown) is in the manifest, but not in what was unpacked.")
            }
            // The place was made by this object and has no symbolic link above it.
            try withParent(of: entry.path) { folder, name in
                _ = try SystemCallError.check("linkat", entry.path.string) {
                    linkat(root, place.string, folder, name, 0)
                }
            }
        }
    }

    private func seal(_ manifest: TreeManifest) throws {
        var sealed: Set<HeaderPath> = []
        var last: HeaderPath?
        for entry in manifest.entries {
            // Sorted by path, the files of a folder are mostly one after the other.
            if let last, entry.path.isDirectly(in: last) { continue }
            last = entry.path.parent
            for folder in entry.path.ancestors.reversed() {
                guard sealed.insert(folder).inserted else { break }
            }
        }
        for folder in sealed {
            // None of its components is a link: this object has made them all.
            try SystemCallError.check("fchmodat", folder.string) { fchmodat(root, folder.string, 0o555, 0) }
        }
    }

    /// Opens the folder that a path is in, and makes those that are missing.
    private func withParent<Value>(
        of path: HeaderPath, _ body: (CInt, UnsafePointer<CChar>) throws -> Value
    ) throws -> Value {
        try path.string.withCString { text in
            let length = strlen(text)
            let bytes = UnsafeRawBufferPointer(start: text, count: length)
            let slash = UInt8(ascii: "/")
            var nameStart = length
            while nameStart > 0, bytes[nameStart - 1] != slash { nameStart -= 1 }
            let parentEnd = max(nameStart - 1, 0)
            closeFolders(notAbove: bytes, parentEnd)
            var start = openFolders.last.map { $0.end + 1 } ?? 0
            while start < parentEnd {
                var end = start
                while end < parentEnd, bytes[end] != slash { end += 1 }
                try openFolder(bytes, start..<end)
                start = end + 1
            }
            return try body(openFolders.last?.descriptor ?? root, text + nameStart)
        }
    }

    /// - Parameter end: where the path of the folder that is wanted ends in `path`.
    private func closeFolders(notAbove path: UnsafeRawBufferPointer, _ end: Int) {
        if openPath.count == end, openPath.elementsEqual(path.prefix(end)) { return }
        var common = 0
        while common < min(openPath.count, end), openPath[common] == path[common] { common += 1 }
        // By whole components: `include/net` is not above `include/netfs`.
        while let last = openFolders.last, last.end > common || (last.end < end && path[last.end] != UInt8(ascii: "/"))
        {
            close(last.descriptor)
            openFolders.removeLast()
        }
        openPath.removeSubrange((openFolders.last?.end ?? 0)...)
    }

    private func openFolder(_ path: UnsafeRawBufferPointer, _ name: Range<Int>) throws {
        let parent = openFolders.last?.descriptor ?? root
        let own = String(decoding: path[name], as: UTF8.self)
        let shown = { String(decoding: path[..<name.upperBound], as: UTF8.self) }
        if mkdirat(parent, own, 0o755) != 0, errno != EEXIST {
            throw SystemCallError(call: "mkdirat", path: shown(), number: errno)
        }
        let descriptor = openat(parent, own, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
        guard descriptor >= 0 else { throw SystemCallError(call: "openat", path: shown(), number: errno) }
        openFolders.append((name.upperBound, descriptor))
        openPath.replaceSubrange(0..<openPath.count, with: path[..<name.upperBound])
    }
}
