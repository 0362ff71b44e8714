internal import HeaderArchive
public import KernelHeaders

/// A kernel as a test puts it into a store, and as it must come out again.
public struct StoredKernel: Sendable {
    public let id: BuildID
    /// A tar, not compressed.
    public let archive: [UInt8]
    /// Put together from the contents, whatever way they went.
    public let manifest: TreeManifest
    /// Of every regular file.
    public let contents: [HeaderPath: [UInt8]]

    /// - Parameter id: a byte of the build ID, which is repeated.
    public init(id: UInt8, _ kernel: SmallKernel) throws {
        self.id = try Self.buildID(id)
        archive = kernel.tar
        manifest = try kernel.manifest
        contents = Dictionary(
            uniqueKeysWithValues: kernel.entries.compactMap { path, contents in
                guard case .file(let bytes, _) = contents, let path = HeaderPath(path) else { return nil }
                return (path, bytes)
            })
    }

    /// A kernel of a few files, for tests that need them to be few, or to be just these.
    ///
    /// - Parameter files: contents by path.
    public init(id: UInt8, files: [String: [UInt8]]) throws {
        self.id = try Self.buildID(id)
        var forge = TarForge()
        var contents: [HeaderPath: [UInt8]] = [:]
        var entries: [TreeManifest.Entry] = []
        for (name, bytes) in files.sorted(by: { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }) {
            guard let path = HeaderPath(name) else { throw ShellCommand.Failure(description: "bad path \(name)") }
            forge.addFile("./\(name)", bytes)
            contents[path] = bytes
            let kind = TreeManifest.Kind.file(size: bytes.count, digest: .init(of: bytes), executable: false)
            entries.append(.init(path: path, kind: kind))
        }
        archive = forge.finished()
        self.contents = contents
        manifest = TreeManifest(entries: entries)
    }

    /// A handful of files, of which a `revision` changes two, and which says that it is 6.1.0 for 64-bit x86.
    public init(id: UInt8, revision: Int) throws {
        var files: [String: String] = [
            "include/generated/utsrelease.h": "#define UTS_RELEASE \"6.1.0-\(revision)\"\n",
            "include/generated/autoconf.h": "#define CONFIG_64BIT 1\n",
            "arch/x86/include/asm/page.h": "#define PAGE_SHIFT 12\n",
            "include/linux/empty.h": "",
        ]
        for name in ["bpf", "fs", "list", "mm"] { files["include/linux/\(name).h"] = Self.lines(name) }
        files["include/linux/sched.h"] = Self.lines("sched") + "/* \(revision) */\n"
        try self.init(id: id, files: files.mapValues { Array($0.utf8) })
    }

    /// A kernel of 5 MB, which an ingest compresses fast, and which leaves a repack something to do. A `revision` changes each
    /// of its five large files, and not the small one.
    public init(id: UInt8, large revision: Int) throws {
        var files: [String: [UInt8]] = ["include/large/common.h": Array("int common;\n".utf8)]
        for number in 0..<5 {
            var random = SeededGenerator(seed: "large \(number)")
            let text = (0..<1500).map { _ in "#define REGISTER_\(random.next() % 10_000) 0x\(random.next() % 100)\n" }
            let lines = Array(text.joined().utf8)
            files["include/large/\(number).h"] =
                Array(repeating: lines, count: 1_000_000 / lines.count).joined() + Array("/* \(revision) */\n".utf8)
        }
        try self.init(id: id, files: files)
    }

    private static func lines(_ name: String) -> String {
        var random = SeededGenerator(seed: name)
        return (0..<20).map { "int \(name)_\($0)(unsigned long value_\(random.next() % 1000));\n" }.joined()
    }

    private static func buildID(_ byte: UInt8) throws -> BuildID {
        guard let id = BuildID(bytes: [UInt8](repeating: byte, count: 20)) else {
            throw ShellCommand.Failure(description: "no build ID of \(byte)")
        }
        return id
    }
}

extension Digest {
    /// SHA-256.
    public init(of bytes: [UInt8]) { self = SHA256Hash.digest(of: bytes) }
}
