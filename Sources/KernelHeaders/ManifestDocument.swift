/// A tree's manifest as JSON: `/buildid/{buildID}/manifest.json`.
///
/// A client that computes the tree digest of the entries (``TreeManifest``) and compares it with `treeDigest` knows that
/// the list is whole.
public struct ManifestDocument: Codable, Sendable, Equatable {
    /// The format of this document: 1.
    public var version: Int
    public var treeDigest: Digest
    public var files: Int
    public var bytes: Int
    public var entries: [Entry]

    /// `kind` is `file` (with `size`, `digest` and `executable`) or `link` (with `target`).
    public struct Entry: Codable, Sendable, Equatable {
        public var path: HeaderPath
        public var kind: String
        public var size: Int?
        public var digest: Digest?
        public var executable: Bool?
        public var target: String?
    }

    public init(_ manifest: TreeManifest, digest: Digest) {
        version = 1
        treeDigest = digest
        files = manifest.fileCount
        bytes = manifest.contentBytes
        entries = manifest.entries.map { entry in
            switch entry.kind {
            case .file(let size, let digest, let executable):
                Entry(path: entry.path, kind: "file", size: size, digest: digest, executable: executable)
            case .link(let target):
                Entry(path: entry.path, kind: "link", target: target)
            }
        }
    }

    /// The manifest, or nil if an entry lacks what its kind needs, a path comes twice, or the sizes add up to more than
    /// an integer holds.
    public var manifest: TreeManifest? {
        var seen: Set<HeaderPath> = []
        var entries: [TreeManifest.Entry] = []
        var total = 0
        for entry in self.entries {
            guard seen.insert(entry.path).inserted else { return nil }
            switch (entry.kind, entry.size, entry.digest, entry.target) {
            case ("file", let size?, let digest?, _) where size >= 0:
                let (sum, overflow) = total.addingReportingOverflow(size)
                guard !overflow else { return nil }
                total = sum
                let kind = TreeManifest.Kind.file(size: size, digest: digest, executable: entry.executable ?? false)
                entries.append(.init(path: entry.path, kind: kind))
            case ("link", _, _, let target?):
                entries.append(.init(path: entry.path, kind: .link(target: target)))
            default: return nil
            }
        }
        return TreeManifest(entries: entries)
    }
}
