internal import HeaderArchive
internal import KernelHeaders

/// Writes the headers of a distribution's packages below a folder. Their names are hostile: every one goes through
/// `HeaderPath`, and `TreeExtractor` follows no link.
struct HeaderPackageUnpacker {
    private let extractor: TreeExtractor
    private let architecture: String
    private let limits: ArchiveLimits
    private var links: [TreeManifest.Entry] = []
    private var paths: Set<HeaderPath> = []
    private var bytes = 0

    /// - Parameters:
    ///   - directory: an existing folder, empty.
    ///   - architecture: the folder under `arch/` that is wanted.
    ///   - limits: of all the kernel's headers.
    init(directory: String, architecture: String, limits: ArchiveLimits) throws {
        self.limits = limits
        extractor = try TreeExtractor(directory: directory)
        self.architecture = architecture
    }

    /// Unpacks the headers of `usr/src/FOLDER` to `half/`.
    mutating func unpack(
        _ package: DebianPackage, folder: String, to half: String, progress: PackageProgress.Handler
    ) throws {
        let before = paths.count
        let tree = Array("usr/src/\(folder)/".utf8)
        try package.readFiles(progress: progress) { entry, reader in
            try unpack(entry, from: &reader, below: tree, to: half)
            return true
        }
        guard paths.count > before else {
            throw ProbeError(
                .packageIncomplete,
                "\(package.path): \(package.title) has no headers for \(architecture) in usr/src/\(folder). Is it a meta-package?"
            )
        }
    }

    /// Makes the links, and checks that both halves are there: a file that every kernel has, and one that every build makes.
    mutating func finish(release: String) throws {
        try extractor.finish(TreeManifest(entries: links))
        for needed in ["include/linux/types.h", "include/generated/autoconf.h"] {
            let places = ["source", "build"].compactMap { HeaderPath("\($0)/\(needed)") }
            guard places.contains(where: paths.contains) else {
                throw ProbeError(
                    .packageIncomplete,
                    "The header packages of \(release) have no \(needed), so they are not all its headers.")
            }
        }
    }

    private mutating func unpack(
        _ entry: TarEntry, from reader: inout TarReader, below tree: [UInt8], to half: String
    ) throws {
        guard let path = try wantedPath(entry, below: tree, to: half) else { return }
        switch entry.kind {
        case .directory: return
        case .symbolicLink:
            try claim(path)
            guard entry.linkTarget.count <= HeaderPath.maximumLength,
                let target = String(validating: entry.linkTarget, as: UTF8.self)
            else { throw Problem(.archivePathNotUTF8, "The link \(path) has a target that is too long, or not UTF-8.") }
            links.append(TreeManifest.Entry(path: path, kind: .link(target: target)))
        case .file:
            try claim(path)
            try write(path, entry, from: &reader)
        default:
            throw ProbeError(
                .packageDamaged,
                "The package has \(path) as something else than a file or a symbolic link, as no kernel's has.")
        }
    }

    private mutating func write(_ path: HeaderPath, _ entry: TarEntry, from reader: inout TarReader) throws {
        bytes += entry.size
        guard entry.size <= limits.fileBytes, bytes <= limits.unpackedBytes else {
            throw ProbeError(
                .tooLarge,
                "The headers are over the limit of \(limits.fileBytes) bytes a file, \(limits.unpackedBytes) in all: \(path)."
            )
        }
        var hash = SHA256Hash()
        try extractor.beginFile(path, size: entry.size, executable: entry.mode & 0o111 != 0)
        try reader.readContents { piece in
            hash.update(piece)
            try extractor.write(piece)
        }
        try extractor.endFile(path, digest: hash.digest())
    }

    private mutating func claim(_ path: HeaderPath) throws {
        guard paths.insert(path).inserted else {
            throw Problem(.archivePathDuplicate, "The package has \(path) twice.")
        }
        guard paths.count <= limits.entries else {
            throw ProbeError(.tooLarge, "The packages have over \(limits.entries) headers.")
        }
    }

    /// Where an entry goes, or nil if it is not a header of the tree.
    private func wantedPath(_ entry: TarEntry, below tree: [UInt8], to half: String) throws -> HeaderPath? {
        // A package has thousands of other files, whose names are of no matter and may break the rules of header trees.
        var name = entry.name[...]
        while name.starts(with: "./".utf8) { name = name.dropFirst(2) }
        guard name.starts(with: tree), name.suffix(2).elementsEqual(".h".utf8) else { return nil }
        let inner: HeaderPath
        do throws(HeaderPath.Flaw) {
            inner = try HeaderPath(normalising: name.dropFirst(tree.count))
        } catch {
            throw ProbeError(
                .packageDamaged,
                "The package has a file \(String(decoding: name.prefix(200), as: UTF8.self)), which no "
                    + "header may be called (\(error)).")
        }
        let parts = inner.components
        guard parts[0] == "include" || parts.starts(with: ["arch", architecture, "include"]) else { return nil }
        return try HeaderPath(normalising: Array("\(half)/\(inner)".utf8))
    }
}
