internal import HeaderArchive
public import KernelHeaders

/// The headers of a kernel that does not exist: some 70 files with all that real trees have, the same on every run.
///
/// There are empty files, equal files under several paths, one of 1.5 MB, an executable one, a link, and paths too long
/// for the fields of a tar header. Two kernels of different `release` or `revision` share all but a few files, as two
/// builds of one distribution do.
public struct SmallKernel: Sendable {
    /// What is at a path.
    public enum Contents: Sendable, Equatable {
        case file([UInt8], executable: Bool)
        case link(String)
    }

    public let release: String
    public let revision: Int
    /// By the bytes of the paths.
    public let entries: [(path: String, contents: Contents)]

    /// - Parameters:
    ///   - release: as `include/generated/utsrelease.h` will have it.
    ///   - revision: another one changes four files.
    ///   - hasLargeFile: whether the file of 1.5 MB is there; tests that read a tree hundreds of times do without.
    ///   - longestPath: leaves out the files with longer paths, in bytes.
    public init(
        release: String = "6.1.0-99-amd64", revision: Int = 1, hasLargeFile: Bool = true, longestPath: Int = .max
    ) {
        self.release = release
        self.revision = revision
        let all = Self.contents(release: release, revision: revision, hasLargeFile: hasLargeFile)
        entries =
            all
            .filter { $0.key.utf8.count <= longestPath }
            .sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
            .map { ($0.key, $0.value) }
    }

    /// The contents at a path, nil if there is no such file.
    public func contents(_ path: String) -> [UInt8]? {
        guard case .file(let bytes, _)? = entries.first(where: { $0.path == path })?.contents else { return nil }
        return bytes
    }

    /// The folders that the entries need, `include` before `include/linux`.
    public var folders: [String] {
        var folders: Set<String> = []
        for (path, _) in entries {
            let bytes = Array(path.utf8)
            for slash in bytes.indices where bytes[slash] == UInt8(ascii: "/") {
                folders.insert(String(decoding: bytes[..<slash], as: UTF8.self))
            }
        }
        return folders.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    }

    /// What the product must find, put together from the entries, whatever way they went.
    ///
    /// The digests are the product's own: a test of `HeaderArchiveTests` compares the whole with Python's.
    public var manifest: TreeManifest {
        get throws {
            TreeManifest(
                entries: try entries.map { path, contents in
                    guard let path = HeaderPath(path) else { throw ShellCommand.Failure(description: "bad \(path)") }
                    switch contents {
                    case .link(let target): return .init(path: path, kind: .link(target: target))
                    case .file(let bytes, let executable):
                        let digest = SHA256Hash.digest(of: bytes)
                        let kind = TreeManifest.Kind.file(size: bytes.count, digest: digest, executable: executable)
                        return .init(path: path, kind: kind)
                    }
                })
        }
    }

    /// The files in a folder, which is made.
    ///
    /// - Parameter isIncluded: decides by the path.
    public func write(to folder: String, where isIncluded: (String) -> Bool = { _ in true }) throws {
        for (path, contents) in entries where isIncluded(path) {
            switch contents {
            case .file(let bytes, let executable):
                try TemporaryFolder.write(bytes, to: "\(folder)/\(path)", mode: executable ? 0o755 : 0o644)
            case .link(let target): try makeLink("\(folder)/\(path)", to: target)
            }
        }
    }

    /// As distributions lay a kernel out: what the build made in one folder, the rest in another. The source half also
    /// has a stale file that the build half overrides.
    public func writeSplit(source: String, build: String) throws {
        try write(to: source) { !Self.isGenerated($0) }
        try write(to: build) { Self.isGenerated($0) }
        let stale = Array("/* Left by an earlier build in the source folder. */\n".utf8)
        try TemporaryFolder.write(stale, to: "\(source)/include/generated/autoconf.h")
    }

    /// A tar as `gen_kheaders.sh` lays it out: `./`, then folders and files, all with `./` in front, sorted. A path too
    /// long for the header has a pax record.
    public var tar: [UInt8] {
        var forge = TarForge()
        forge.addFolder("./")
        var items = entries.map { (path: $0.path, contents: Optional($0.contents)) }
        items += folders.map { (path: $0, contents: nil) }
        for item in items.sorted(by: { $0.path.utf8.lexicographicallyPrecedes($1.path.utf8) }) {
            let name = item.contents == nil ? "./\(item.path)/" : "./\(item.path)"
            if name.utf8.count > 100 { forge.addPax([("path", name)]) }
            switch item.contents {
            case nil: forge.addFolder(name)
            case .file(let bytes, let executable)?: forge.addFile(name, bytes, mode: executable ? 0o755 : 0o644)
            case .link(let target)?: forge.addLink(name, to: target)
            }
        }
        return forge.finished()
    }

    /// The tar, compressed by the command-line tool: `kheaders.tar.xz` by default.
    public func archive(_ tool: CompressionTool = .xz) throws -> [UInt8] { try tool.compress(tar) }

    private static func isGenerated(_ path: String) -> Bool {
        path.utf8.split(separator: UInt8(ascii: "/")).contains { $0.elementsEqual("generated".utf8) }
    }
}
