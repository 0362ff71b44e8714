internal import HeaderArchive
internal import KernelHeaders

/// Holds a tree that is being unpacked against the manifest it shall have, file by file, so that a wrong one stops at
/// once.
final class TreeVerifier: TreeVisitor {
    private let expected: TreeManifest
    private let next: any TreeVisitor
    private var filesDone = 0

    /// - Parameter next: takes the files after they were looked at.
    init(_ expected: TreeManifest, next: any TreeVisitor) {
        self.expected = expected
        self.next = next
    }

    func beginFile(_ path: HeaderPath, size: Int, executable: Bool) throws {
        guard case .file(let wantedSize, _, let wantedExecutable)? = expected[path]?.kind else {
            throw TreeFetchError.treeDiffers(path: path.string, what: "should not be there")
        }
        guard size == wantedSize else {
            throw TreeFetchError.treeDiffers(path: path.string, what: "has \(size) bytes instead of \(wantedSize)")
        }
        guard executable == wantedExecutable else {
            throw TreeFetchError.treeDiffers(path: path.string, what: "has another executable bit")
        }
        try next.beginFile(path, size: size, executable: executable)
    }

    func write(_ bytes: UnsafeRawBufferPointer) throws { try next.write(bytes) }

    func endFile(_ path: HeaderPath, digest: KernelHeaders.Digest) throws {
        guard case .file(_, let wanted, _)? = expected[path]?.kind, digest == wanted else {
            throw TreeFetchError.treeDiffers(path: path.string, what: "has other contents")
        }
        filesDone += 1
        try next.endFile(path, digest: digest)
    }

    /// - Parameter manifest: of all that was read, links included.
    /// - Throws: ``TreeFetchError`` if something is missing or too much.
    func finish(_ manifest: TreeManifest) throws {
        for (one, other) in zip(expected.entries, manifest.entries) where one != other {
            throw TreeFetchError.treeDiffers(path: min(one.path, other.path).string, what: "is missing, or another one")
        }
        guard manifest == expected else {
            let longer = manifest.entries.count > expected.entries.count ? manifest : expected
            let first = longer.entries[min(manifest.entries.count, expected.entries.count)].path
            throw TreeFetchError.treeDiffers(path: first.string, what: "is missing, or should not be there")
        }
        // A hard link is a file in the manifest that no contents came for.
        guard filesDone == expected.fileCount else {
            throw TreeFetchError.treeDiffers(path: "a hard link", what: "is there, which no bundle has")
        }
    }
}
