public import KernelHeaders

/// Turns an archive into a tree: reads it once, from the front, within limits, and refuses what no kernel's headers have.
///
/// Every archive is hostile (promise 5 of the design): each attack has its own `archive-…` code. Memory grows with the
/// number of entries only, and that is limited.
public enum HeaderTreeReader {
    /// - Parameters:
    ///   - source: the archive, compressed or not.
    ///   - visitor: takes the files in the archive's order. It must be able to undo: a refusal may come at the very end.
    ///   - now: the clock for the time limit.
    /// - Returns: the manifest.
    /// - Throws: `Problem` with an `archive-…` code, or what the source or the visitor throws.
    public static func read(
        _ source: any ByteSource, limits: ArchiveLimits = .standard, visitor: any TreeVisitor,
        now: @escaping () -> ContinuousClock.Instant = { ContinuousClock.now }
    ) throws -> TreeManifest {
        let deadline = now() + .seconds(limits.seconds)
        let checkTime = {
            guard now() <= deadline else {
                throw Problem(
                    .archiveTimeLimit,
                    "Unpacking took over \(limits.seconds) seconds. Try again when the server is idle.")
            }
        }
        let intake = MeteredSource.Intake(source, limit: limits.archiveBytes, checkTime: checkTime)
        let tar = try Compression.open(intake).tar
        let metered = MeteredSource(tar, intake: intake, limits: limits, checkTime: checkTime)
        var reader = TarReader(metered, limits: limits)
        var builder = TreeBuilder(folderLimit: limits.entries)
        var count = 0
        var nameBytes = 0
        while let entry = try reader.next() {
            count += 1
            guard count <= limits.entries else {
                throw Problem(.archiveTooManyEntries, "The archive has over \(limits.entries) entries.")
            }
            nameBytes += entry.name.count + entry.linkTarget.count
            guard nameBytes <= limits.nameBytes else {
                throw Problem(
                    .archiveMetadataTooLarge, "The archive's names take over \(limits.nameBytes) bytes together.")
            }
            // The root itself, which tar has as "./", is not an entry of the tree.
            if entry.kind == .directory, isRoot(entry.name) { continue }
            let path = try HeaderPath(named: entry.name)
            switch entry.kind {
            case .directory: try builder.addFolder(path)
            case .file: try readFile(path, entry, from: &reader, limits: limits, visitor: visitor, into: &builder)
            case .symbolicLink: try builder.add(path, .link(target: try linkTarget(entry.linkTarget, of: path)))
            case .hardLink: try builder.add(path, try hardLinked(entry.linkTarget, at: path, in: builder))
            case .characterDevice, .blockDevice:
                throw Problem(.archiveDevice, "The archive has a device, \(path.shown). Headers are files and links.")
            case .fifo:
                throw Problem(.archiveFIFO, "The archive has a FIFO, \(path.shown). Headers are files and links.")
            case .other(let flag):
                let hint =
                    flag == UInt8(ascii: "S") ? "a sparse file (make the tar without --sparse)" : "of tar type \(flag)"
                throw Problem(
                    .archiveEntryKind, "The archive's entry \(path.shown) is \(hint). Headers are files and links.")
            }
        }
        try reader.readToEnd()
        return try builder.manifest()
    }

    private static func readFile(
        _ path: HeaderPath, _ entry: TarEntry, from reader: inout TarReader, limits: ArchiveLimits,
        visitor: any TreeVisitor, into builder: inout TreeBuilder
    ) throws {
        guard entry.size <= limits.fileBytes else {
            throw Problem(.archiveFileTooLarge, "\(path.shown) is over the limit of \(limits.fileBytes) bytes a file.")
        }
        // Before the visitor hears of it, which may not be able to have two files at one path.
        try builder.check(path, isLink: false)
        let executable = entry.mode & 0o111 != 0
        try visitor.beginFile(path, size: entry.size, executable: executable)
        var hash = SHA256Hash()
        try reader.readContents { bytes in
            hash.update(bytes)
            try visitor.write(bytes)
        }
        let digest = hash.digest()
        try builder.add(path, .file(size: entry.size, digest: digest, executable: executable))
        try visitor.endFile(path, digest: digest)
    }

    private static func isRoot(_ name: [UInt8]) -> Bool {
        !name.isEmpty && name[0] != UInt8(ascii: "/")
            && name.allSatisfy { $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: "/") }
            && !name.split(separator: UInt8(ascii: "/")).contains { $0.count > 1 }
    }

    private static func linkTarget(_ bytes: [UInt8], of path: HeaderPath) throws -> String {
        guard bytes.count <= HeaderPath.maximumLength else {
            throw Problem(
                .archivePathTooLong, "The target of the link \(path.shown) is over \(HeaderPath.maximumLength) bytes.")
        }
        guard !bytes.contains(0) else {
            throw Problem(.archivePathContainsNUL, "The target of the link \(path.shown) has a NUL in it.")
        }
        guard let target = String(validating: bytes, as: UTF8.self) else {
            throw Problem(.archivePathNotUTF8, "The target of the link \(path.shown) is not UTF-8.")
        }
        return target
    }

    /// A hard link is the same file under another name; its target is a path from the root of the archive.
    private static func hardLinked(_ target: [UInt8], at path: HeaderPath, in builder: TreeBuilder) throws
        -> TreeManifest.Kind
    {
        let targetPath: HeaderPath
        do throws(HeaderPath.Flaw) {
            targetPath = try HeaderPath(normalising: target)
        } catch {
            throw Problem(.archiveHardLinkEscapes, "The hard link \(path.shown) leads out of the archive.")
        }
        guard let kind = builder.file(at: targetPath) else {
            throw Problem(
                .archiveHardLinkDangling,
                "The hard link \(path.shown) is to \(targetPath.shown), which no earlier file of the archive is.")
        }
        return kind
    }
}
