import HeaderArchive
import KHeaderTestSupport
import KernelHeaders
import Testing

/// The same files give the same tree, whoever packed them and however.
@Suite struct EqualTreesTests {
    static let kernel = SmallKernel()

    @Test func treeIsWhatPythonMakesOfTheFolder() throws {
        try withTemporaryFolder { folder in
            try Self.kernel.write(to: folder.path)
            let digest = try ShellCommand("python3", "-c", Self.treeDigestInPython, folder.path).run()
            #expect(digest.text == "\(try Self.kernel.manifest.digest)\n", "\(digest.errors)")
        }
    }

    /// The tree digest, from the description of the format alone.
    private static let treeDigestInPython = """
        import hashlib, os, struct, sys
        root = sys.argv[1].encode()
        found = []
        for folder, _, names in os.walk(root):
            found += [os.path.join(folder, name) for name in names]
        data = b'KHTREE\\0\\1'
        for file in sorted(found, key=lambda file: file[len(root) + 1:]):
            path = file[len(root) + 1:]
            if os.path.islink(file):
                target = os.readlink(file)
                data += b'l' + struct.pack('<I', len(path)) + path + struct.pack('<I', len(target)) + target
            else:
                contents = open(file, 'rb').read()
                kind = b'x' if os.stat(file).st_mode & 0o111 else b'f'
                data += kind + struct.pack('<I', len(path)) + path + struct.pack('<Q', len(contents))
                data += hashlib.sha256(contents).digest()
        print(hashlib.sha256(data).hexdigest())
        """

    @Test(arguments: [nil] + CompressionTool.allCases.map(Optional.some))
    func kheadersArchiveUnderAnyCompression(_ tool: CompressionTool?) throws {
        let archive = try tool.map { try Self.kernel.archive($0) } ?? Self.kernel.tar
        #expect(try ArchiveReading.manifest(of: archive) == Self.kernel.manifest)
        let opened = try Compression.open(MemorySource(archive))
        #expect(opened.compression.rawValue == tool?.rawValue ?? "none")
    }

    @Test(arguments: ["pax", "gnu", "ustar", "posix"])
    func gnuTar(_ format: String) throws {
        // ustar has no place for the longest name.
        let kernel = format == "ustar" ? SmallKernel(longestPath: 255) : Self.kernel
        try Self.expectSameTree(kernel, "tar", "--format=\(format)", "-cf", "-", "./include", "arch")
        try Self.expectSameTree(kernel, "tar", "--format=\(format)", "-cf", "-", "./")
    }

    @Test(arguments: ["pax", "gnutar", "ustar", "restricted pax"])
    func bsdtar(_ format: String) throws {
        let kernel = format == "ustar" ? SmallKernel(longestPath: 255) : Self.kernel
        let name = format == "restricted pax" ? "paxr" : format
        try Self.expectSameTree(kernel, "bsdtar", "--format=\(name)", "-cf", "-", ".")
    }

    @Test(arguments: ["PAX_FORMAT", "GNU_FORMAT", "USTAR_FORMAT"])
    func pythonTarfile(_ format: String) throws {
        let kernel = format == "USTAR_FORMAT" ? SmallKernel(longestPath: 255) : Self.kernel
        let script = """
            import sys, tarfile
            with tarfile.open(fileobj=sys.stdout.buffer, mode='w|', format=tarfile.\(format)) as tar:
                tar.add('.')
            """
        try Self.expectSameTree(kernel, "python3", "-c", script)
    }

    /// Runs a command in the kernel's folder and reads the tar that it prints.
    private static func expectSameTree(
        _ kernel: SmallKernel, _ command: String..., sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        try withTemporaryFolder { folder in
            try kernel.write(to: folder.path)
            let tar = try ShellCommand("env", ["-C", folder.path] + command).output()
            #expect(try ArchiveReading.manifest(of: tar) == kernel.manifest, sourceLocation: sourceLocation)
        }
    }

    @Test func folder() throws {
        try withTemporaryFolder { folder in
            try Self.kernel.write(to: folder.path)
            let manifest = try HeaderFolder(source: folder.path).read(ManifestOnly())
            #expect(try manifest == Self.kernel.manifest)
        }
    }

    @Test func sourceAndBuildFolders() throws {
        try withTemporaryFolder { folder in
            try Self.kernel.writeSplit(source: folder.path("source"), build: folder.path("build"))
            let pair = try HeaderFolder(source: folder.path("source"), build: folder.path("build"))
            #expect(pair.sourceArchitecture == "x86")
            #expect(try pair.read(ManifestOnly()) == Self.kernel.manifest)
        }
    }

    @Test func hardLinkIsTheFileItself() throws {
        try withTemporaryFolder { folder in
            try Self.kernel.write(to: folder.path)
            try ShellCommand("ln", "-f", "\(folder.path)/include/linux/sched.h", "\(folder.path)/include/zz.h").output()
            let ofFolder = try HeaderFolder(source: folder.path).read(ManifestOnly())
            let tar = try ShellCommand("tar", "-C", folder.path, "--sort=name", "-cf", "-", ".").output()
            let listing = try ShellCommand("tar", "-tvf", "-").output(tar)
            #expect(String(decoding: listing, as: UTF8.self).contains("zz.h link to ./include/linux/sched.h"))
            #expect(try ArchiveReading.manifest(of: tar) == ofFolder)
        }
    }

    @Test(arguments: CompressionTool.allCases)
    func membersOneAfterTheOther(_ tool: CompressionTool) throws {
        let tar = Self.kernel.tar
        let cuts = [0, 700, 700, tar.count / 2, tar.count]
        let members = try zip(cuts, cuts.dropFirst()).map { try tool.compress(Array(tar[$0..<$1])) }
        #expect(try ArchiveReading.manifest(of: members.flatMap { $0 }) == Self.kernel.manifest)
    }

    /// What the formats allow between members: zstd's skippable frames, xz's padding.
    @Test func membersWithFillingBetweenThem() throws {
        let tar = Self.kernel.tar
        let skippable: [UInt8] = [0x50, 0x2A, 0x4D, 0x18, 3, 0, 0, 0, 1, 2, 3]
        for (tool, filling) in [(CompressionTool.zstd, skippable), (.xz, [0, 0, 0, 0])] {
            let members = try [tar.prefix(1000), tar.dropFirst(1000)].map { try tool.compress(Array($0)) + filling }
            #expect(try ArchiveReading.manifest(of: members.flatMap { $0 }) == Self.kernel.manifest)
        }
        let cut = try CompressionTool.zstd.compress(tar) + skippable.dropLast()
        #expect(try ArchiveReading.refusal(of: cut) == .archiveTruncated)
    }

    @Test func orderOfEntriesDoesNotMatter() throws {
        var random = SeededGenerator(seed: 7)
        let kernel = SmallKernel(hasLargeFile: false, longestPath: 100)
        for _ in 0..<5 {
            var forge = TarForge()
            for (path, contents) in kernel.entries.shuffled(using: &random) {
                switch contents {
                case .file(let bytes, let executable): forge.addFile(path, bytes, mode: executable ? 0o755 : 0o644)
                case .link(let target): forge.addLink(path, to: target)
                }
            }
            #expect(try ArchiveReading.manifest(of: forge.finished()) == kernel.manifest)
        }
    }

    @Test(arguments: [1, 7, 511, 513, 65_537])
    func piecesOfTheSourceDoNotMatter(_ piece: Int) throws {
        let kernel = SmallKernel(hasLargeFile: false)
        for archive in try [kernel.tar] + CompressionTool.allCases.map({ try kernel.archive($0) }) {
            let visitor = RecordingVisitor()
            let manifest = try HeaderTreeReader.read(DribblingSource(archive, piece: piece), visitor: visitor)
            #expect(try manifest == kernel.manifest)
            for (path, contents) in visitor.contents { #expect(contents == kernel.contents(path.string)) }
            #expect(visitor.contents.count == manifest.fileCount)
        }
    }

    @Test func ownersTimesAndFoldersAreNoPartOfATree() throws {
        try withTemporaryFolder { folder in
            try Self.kernel.write(to: folder.path)
            try folder.makeFolder("include/empty/folder")
            let tar = try ShellCommand(
                "tar", "-C", folder.path, "--owner=someone:1234", "--mtime=2001-02-03", "--mode=go-rwx", "-cf", "-", "."
            ).output()
            #expect(try ArchiveReading.manifest(of: tar) == Self.kernel.manifest)
        }
    }

    @Test func anotherRevisionIsAnotherTreeThatSharesMostFiles() throws {
        let one = try Self.kernel.manifest
        let two = try SmallKernel(release: "6.1.0-100-amd64", revision: 2).manifest
        #expect(one.digest != two.digest)
        #expect(one.entries.map(\.path) == two.entries.map(\.path))
        let changed = zip(one.entries, two.entries).filter { $0 != $1 }
        #expect(changed.count == 5)
    }
}
