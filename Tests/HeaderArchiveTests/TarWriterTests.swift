import HeaderArchive
import KHeaderTestSupport
import KernelHeaders
import Testing

@Suite struct TarWriterTests {
    static let kernel = SmallKernel()

    static func write(_ kernel: SmallKernel, to sink: any ByteSink) throws {
        let writer = TarWriter(sink)
        try writer.add(try kernel.manifest) { entry, write in
            // In two pieces: the writer must not take the end of a piece for the end of the file.
            let contents = kernel.contents(entry.path.string) ?? []
            for piece in [contents.prefix(1000), contents.dropFirst(1000)] { try Array(piece).withUnsafeBytes(write) }
        }
        try writer.finish()
    }

    static func tar(_ kernel: SmallKernel) throws -> [UInt8] {
        let sink = MemorySink()
        try write(kernel, to: sink)
        #expect(sink.isFinished)
        return sink.bytes
    }

    @Test(arguments: ["tar", "bsdtar", "python3"])
    func toolsUnpackTheSameTree(_ tool: String) throws {
        try withTemporaryFolder { folder in
            try Self.kernel.write(to: try folder.makeFolder("original"))
            let target = try folder.makeFolder("unpacked")
            let script =
                "import sys, tarfile; tarfile.open(fileobj=sys.stdin.buffer, mode='r|').extractall(sys.argv[1])"
            let arguments = tool == "python3" ? ["-c", script, target] : ["-C", target, "-xf", "-"]
            let result = try ShellCommand(tool, arguments).run(try Self.tar(Self.kernel))
            #expect(result.status == 0)
            #expect(result.errors == "", "no warnings either")
            try FolderComparison.expectSame(folder.path("original"), target)
        }
    }

    @Test func readsBackAsTheSameTree() throws {
        #expect(try ArchiveReading.manifest(of: Self.tar(Self.kernel)) == Self.kernel.manifest)
    }

    @Test func sameTreeSameBytes() throws {
        let one = try Self.tar(Self.kernel)
        #expect(try Self.tar(Self.kernel) == one)
        #expect(one.count % 10_240 == 0)
    }

    @Test func looksLikeAKheadersArchive() throws {
        let listing = try ShellCommand("tar", "--numeric-owner", "--full-time", "-tvf", "-").output(
            Self.tar(Self.kernel))
        let lines = String(decoding: listing, as: UTF8.self).split(separator: "\n").map(String.init)
        #expect(lines.allSatisfy { $0.contains(" 0/0 ") && $0.contains(" 1980-01-01 00:00:00 ") })
        let names = lines.compactMap { $0.split(separator: " ").dropFirst(5).first.map(String.init) }
        #expect(names.allSatisfy { $0.hasPrefix("./") })
        #expect(names.prefix(3) == ["./arch/", "./arch/x86/", "./arch/x86/include/"])
        #expect(lines.contains { $0.hasPrefix("drwxr-xr-x 0/0") && $0.hasSuffix("./include/linux/") })
        #expect(lines.contains { $0.hasPrefix("-rwxr-xr-x 0/0") && $0.hasSuffix("./include/linux/soc/executable.h") })
        #expect(lines.contains { $0.hasPrefix("-rw-r--r-- 0/0") && $0.hasSuffix("./include/linux/sched.h") })
    }

    /// Around the lengths at which a name moves from one field to two and to a pax header.
    @Test func namesAndTargetsOfEveryLength() throws {
        var entries: [TreeManifest.Entry] = []
        for length in Array(90...110) + Array(250...262) + [500, 1000, 1025, 1026] {
            // Names in one piece, and names that can be cut at many places.
            for piece in [250, 9] {
                var name = "include/\(piece)/\(length)/"
                while name.utf8.count < length - 2 {
                    let rest = length - 2 - name.utf8.count
                    name += String(repeating: "n", count: min(rest, piece)) + (rest > piece + 1 ? "/" : "")
                    if rest == piece + 1 { name += "n" }
                }
                guard let file = HeaderPath(name + ".h"), name.utf8.count == length - 2 else { continue }
                let empty = SHA256Hash.digest(of: [])
                entries.append(.init(path: file, kind: .file(size: 0, digest: empty, executable: false)))
            }
            let link = try #require(HeaderPath("include/link\(length)"))
            entries.append(.init(path: link, kind: .link(target: String(repeating: "t", count: min(length, 1024)))))
        }
        let manifest = TreeManifest(entries: entries)
        #expect(manifest.fileCount > 30)
        let sink = MemorySink()
        let writer = TarWriter(sink)
        try writer.add(manifest) { _, _ in }
        try writer.finish()
        #expect(try ArchiveReading.manifest(of: sink.bytes) == manifest)
        let listing = try ShellCommand("tar", "-tf", "-").output(sink.bytes)
        let listed = Set(String(decoding: listing, as: UTF8.self).split(separator: "\n").map(String.init))
        for entry in manifest.entries { #expect(listed.contains("./\(entry.path)")) }
    }

    @Test func namesThatAreNotASCII() throws {
        let names = ["include/caf\u{E9}.h", "include/cafe\u{301}.h", "include/a b\n.h", "include/\u{1F600}.h"]
        let entries = names.compactMap { HeaderPath($0) }.map {
            TreeManifest.Entry(path: $0, kind: .file(size: 0, digest: SHA256Hash.digest(of: []), executable: false))
        }
        let sink = MemorySink()
        let writer = TarWriter(sink)
        try writer.add(TreeManifest(entries: entries)) { _, _ in }
        try writer.finish()
        #expect(try ArchiveReading.manifest(of: sink.bytes).entries.count == 4)
        #expect(try ArchiveReading.manifest(of: sink.bytes) == TreeManifest(entries: entries))
    }
}
