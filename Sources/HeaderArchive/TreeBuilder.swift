internal import KernelHeaders

/// Collects a tree's entries and refuses those that a tree can't have together, whatever order they come in.
struct TreeBuilder {
    private var entries: [TreeManifest.Entry] = []
    /// Where in ``entries`` a path is; nil while they are sorted, as they come in most archives.
    private var places: [HeaderPath: Int]?
    /// Once a path is here, neither it nor one above it is or becomes an entry.
    private var folders: Set<HeaderPath> = []
    /// The last entry's, which is that of the next one mostly.
    private var lastFolder: HeaderPath?
    private let folderLimit: Int

    /// - Parameter folderLimit: how many folders a tree may have. One entry can bring 31 of them, each with its own path.
    init(folderLimit: Int) { self.folderLimit = folderLimit }

    /// - Throws: `Problem` with `archive-path-duplicate`, `-through-link` or `-through-file`, `archive-too-many-entries`.
    mutating func add(_ path: HeaderPath, _ kind: TreeManifest.Kind) throws {
        try check(path, isLink: kind.isLink)
        append(TreeManifest.Entry(path: path, kind: kind))
        guard !isInLastFolder(path) else { return }
        try addFolders(path.ancestors)
        lastFolder = path.parent
    }

    /// Throws what ``add(_:_:)`` would throw, but for the limit.
    func check(_ path: HeaderPath, isLink: Bool) throws {
        guard entry(at: path) == nil else {
            throw Problem(.archivePathDuplicate, "The archive has \(path.shown) twice. Make it from a clean folder.")
        }
        if folders.contains(path) { throw Self.through(path, isLink: isLink) }
        guard !isInLastFolder(path) else { return }
        for folder in path.ancestors.reversed() {
            if folders.contains(folder) { break }
            if let kind = entry(at: folder) { throw Self.through(folder, isLink: kind.isLink) }
        }
    }

    /// Folders are no part of a tree, but nothing else may stand where one is.
    mutating func addFolder(_ path: HeaderPath) throws { try addFolders(path.ancestors + [path]) }

    private mutating func addFolders(_ paths: [HeaderPath]) throws {
        for folder in paths.reversed() {
            // Whoever added this folder has added those above it.
            guard folders.insert(folder).inserted else { break }
            if let kind = entry(at: folder) { throw Self.through(folder, isLink: kind.isLink) }
        }
        guard folders.count <= folderLimit else {
            throw Problem(.archiveTooManyEntries, "The archive has over \(folderLimit) folders.")
        }
    }

    private func isInLastFolder(_ path: HeaderPath) -> Bool { lastFolder.map(path.isDirectly(in:)) ?? false }

    private mutating func append(_ entry: TreeManifest.Entry) {
        if places == nil, let last = entries.last, !(last.path < entry.path) {
            places = Dictionary(uniqueKeysWithValues: entries.indices.map { (entries[$0].path, $0) })
        }
        places?[entry.path] = entries.count
        entries.append(entry)
    }

    private func entry(at path: HeaderPath) -> TreeManifest.Kind? {
        if let places { return places[path].map { entries[$0].kind } }
        guard let last = entries.last, !(last.path < path) else { return nil }
        return TreeManifest.index(of: path, in: entries).map { entries[$0].kind }
    }

    /// What a hard link to this path is: the same file again. Nil if there is no such file yet.
    func file(at path: HeaderPath) -> TreeManifest.Kind? {
        if case .file? = entry(at: path) { entry(at: path) } else { nil }
    }

    /// - Throws: `Problem` with `archive-link-escapes`, `archive-has-no-headers`.
    func manifest() throws -> TreeManifest {
        for entry in entries {
            if case .link(let target) = entry.kind, !Self.staysInside(target, from: entry.path) {
                throw Problem(
                    .archiveLinkEscapes,
                    "The link \(entry.path.shown) leaves the tree, or goes up after it went down. Replace it by the file it means."
                )
            }
        }
        let hasHeaders = entries.contains { entry in
            guard case .file = entry.kind else { return false }
            return entry.path.string.hasSuffix(".h") && Self.isHeaderLocation(entry.path)
        }
        guard hasHeaders else {
            throw Problem(
                .archiveHasNoHeaders,
                "There is no *.h file under include/ or arch/<arch>/include/. Is this a kernel's headers?")
        }
        return TreeManifest(entries: entries)
    }

    /// Whether a path is where the kernel's `gen_kheaders.sh` takes headers from.
    static func isHeaderLocation(_ path: HeaderPath) -> Bool {
        let parts = path.components
        return parts[0] == "include" || (parts.count > 3 && parts[0] == "arch" && parts[2] == "include")
    }

    /// A target may go up first and then down. One that goes down and up again could pass through another link, and end
    /// elsewhere than its text says. The root is no place to link to either: it is above every entry.
    private static func staysInside(_ target: String, from path: HeaderPath) -> Bool {
        guard target.utf8.first != UInt8(ascii: "/"), !target.isEmpty, !target.utf8.contains(0) else { return false }
        let parts = target.utf8.split(separator: UInt8(ascii: "/")).filter { !$0.elementsEqual(".".utf8) }
        let up = parts.prefix { $0.elementsEqual("..".utf8) }.count
        let down = parts.dropFirst(up)
        return up <= path.ancestors.count && !down.isEmpty && !down.contains { $0.elementsEqual("..".utf8) }
    }

    private static func through(_ path: HeaderPath, isLink: Bool) -> Problem {
        if isLink {
            Problem(.archivePathThroughLink, "The archive has files below \(path.shown), which is a link in it.")
        } else {
            Problem(.archivePathThroughFile, "The archive has \(path.shown) as a file and as a folder.")
        }
    }
}

extension TreeManifest.Kind {
    fileprivate var isLink: Bool { if case .link = self { true } else { false } }
}
