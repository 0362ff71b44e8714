internal import Glibc
public import KernelHeaders

/// Headers in folders: a kernel's source tree, or its `source` and `build` trees merged as the kernel's own
/// `gen_kheaders.sh` merges them (a file of `build` stands for that of `source`).
///
/// Taken are `*.h` files and links under `include/` and `arch/<arch>/include/`, generated ones included. The tree is the
/// same as that of an archive of the same files.
public struct HeaderFolder: Sendable {
    /// Paths in the file system, later ones win.
    private let roots: [String]
    /// The folder under `arch/`.
    public let sourceArchitecture: String

    /// - Parameters:
    ///   - source: the folder, or the source half of a pair.
    ///   - build: the other half: generated headers.
    ///   - sourceArchitecture: the folder under `arch/`; nil to tell it from the only one that has `include/generated`, or
    ///     from the only one there is.
    /// - Throws: `Problem` with `archive-has-no-headers` if the folders are not a kernel's; ``SystemCallError``.
    public init(source: String, build: String? = nil, sourceArchitecture: String? = nil) throws {
        roots = [source] + (build.map { [$0] } ?? [])
        self.sourceArchitecture = try sourceArchitecture ?? Self.findArchitecture(roots)
    }

    /// Reads the files in the order of their paths.
    ///
    /// - Returns: the manifest.
    /// - Throws: `Problem` with an `archive-…` code as for an archive; ``SystemCallError``.
    public func read(_ visitor: any TreeVisitor, limits: ArchiveLimits = .standard) throws -> TreeManifest {
        var builder = TreeBuilder(folderLimit: limits.entries)
        let found = try list(limits: limits)
        for path in found.keys.sorted() {
            guard let file = found[path] else { continue }
            if file.isLink {
                try builder.add(path, .link(target: try Self.linkTarget(file.location)))
            } else {
                try builder.add(path, try Self.readFile(path, file.location, visitor: visitor, limits: limits))
            }
        }
        return try builder.manifest()
    }

    private struct Found {
        let location: String
        let isLink: Bool
    }

    private func list(limits: ArchiveLimits) throws -> [HeaderPath: Found] {
        var found: [HeaderPath: Found] = [:]
        for root in roots {
            for top in ["include", "arch/\(sourceArchitecture)/include"] {
                try Self.walk(root, top) { path, isLink in
                    found[path] = Found(location: "\(root)/\(path)", isLink: isLink)
                    guard found.count <= limits.entries else {
                        throw Problem(.archiveTooManyEntries, "\(root) has over \(limits.entries) headers.")
                    }
                }
            }
        }
        return found
    }

    /// Calls `body` for each `*.h` file or link below `root/top`; a missing folder has none.
    private static func walk(_ root: String, _ top: String, _ body: (HeaderPath, _ isLink: Bool) throws -> Void) throws
    {
        var pending = [top]
        while let folder = pending.popLast() {
            for name in try FolderListing.names(in: "\(root)/\(folder)") {
                let relative = "\(folder)/\(name)"
                var status = stat()
                try SystemCallError.check("lstat", relative) { lstat("\(root)/\(relative)", &status) }
                switch status.st_mode & S_IFMT {
                case S_IFDIR: pending.append(relative)
                case S_IFREG, S_IFLNK:
                    guard name.utf8.suffix(2).elementsEqual(".h".utf8) else { continue }
                    try body(try HeaderPath(named: Array(relative.utf8)), status.st_mode & S_IFMT == S_IFLNK)
                default: continue
                }
            }
        }
    }

    private static func readFile(
        _ path: HeaderPath, _ location: String, visitor: any TreeVisitor, limits: ArchiveLimits
    ) throws -> TreeManifest.Kind {
        let descriptor = try SystemCallError.check("open", location) {
            open(location, O_RDONLY | O_NOFOLLOW | O_CLOEXEC)
        }
        defer { close(descriptor) }
        var status = stat()
        try SystemCallError.check("fstat", location) { fstat(descriptor, &status) }
        let size = Int(status.st_size)
        guard size <= limits.fileBytes else {
            throw Problem(.archiveFileTooLarge, "\(location) is over the limit of \(limits.fileBytes) bytes a file.")
        }
        let executable = status.st_mode & 0o111 != 0
        try visitor.beginFile(path, size: size, executable: executable)
        var hash = SHA256Hash()
        var count = 0
        try FileSource(borrowing: descriptor).drain { bytes in
            count += bytes.count
            guard count <= size else { return }
            hash.update(bytes)
            try visitor.write(bytes)
        }
        guard count == size else {
            throw Problem(
                .archiveCorrupt, "\(location) changed while it was read. Try again when nothing writes there.")
        }
        try visitor.endFile(path, digest: hash.digest())
        return .file(size: size, digest: hash.digest(), executable: executable)
    }

    private static func linkTarget(_ location: String) throws -> String {
        let target = try withUnsafeTemporaryAllocation(of: CChar.self, capacity: HeaderPath.maximumLength + 1) {
            buffer in
            guard let start = buffer.baseAddress else { return [UInt8]() }
            let count = try SystemCallError.check("readlink", location) { readlink(location, start, buffer.count) }
            return buffer.prefix(count).map { UInt8(bitPattern: $0) }
        }
        guard target.count <= HeaderPath.maximumLength, let target = String(validating: target, as: UTF8.self) else {
            throw Problem(.archivePathNotUTF8, "The link \(location) is too long, or not UTF-8.")
        }
        return target
    }

    private static func findArchitecture(_ roots: [String]) throws -> String {
        var all: Set<String> = []
        var generated: Set<String> = []
        for root in roots {
            for name in try FolderListing.names(in: "\(root)/arch") {
                if try !FolderListing.names(in: "\(root)/arch/\(name)/include").isEmpty { all.insert(name) }
                if try !FolderListing.names(in: "\(root)/arch/\(name)/include/generated").isEmpty {
                    generated.insert(name)
                }
            }
        }
        for candidates in [generated, all] {
            if let only = candidates.first, candidates.count == 1 { return only }
        }
        let folders = roots.joined(separator: " and ")
        guard !all.isEmpty else {
            throw Problem(
                .archiveHasNoHeaders, "There is no arch/<arch>/include in \(folders). Is this a kernel's tree?")
        }
        throw Problem(
            .archiveHasNoHeaders,
            "\(folders) has headers of several architectures (\(all.sorted().joined(separator: ", "))). Say which with --arch."
        )
    }
}
