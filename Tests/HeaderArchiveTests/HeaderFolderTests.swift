import Glibc
import HeaderArchive
import KHeaderTestSupport
import KernelHeaders
import Testing

@Suite struct HeaderFolderTests {
    static func refusal(_ body: () throws -> Void) throws -> ProblemCode? {
        do {
            try body()
            return nil
        } catch let problem as Problem {
            return problem.code
        }
    }

    static func paths(_ folder: HeaderFolder) throws -> [String] {
        try folder.read(ManifestOnly()).entries.map(\.path.string)
    }

    @Test func takesHeadersOfOneArchitectureOnly() throws {
        try withTemporaryFolder { folder in
            let taken = ["arch/x86/include/asm/a.h", "arch/x86/include/generated/asm/b.h", "include/linux/c.h"]
            for name in taken { try folder.write(name.utf8, to: name) }
            for name in [
                "include/config/auto.conf", "include/linux/Kbuild", "include/linux/d.hpp", "include/linux/h",
                "arch/arm/include/asm/a.h", "arch/x86/boot/boot.h", "kernel/sched/sched.h", "a.h", "tools/include/a.h",
            ] { try folder.write(name.utf8, to: name) }
            #expect(mkfifo(folder.path("include/linux/pipe.h"), 0o600) == 0)
            #expect(try Self.paths(HeaderFolder(source: folder.path)) == taken)
        }
    }

    @Test func readsInTheOrderOfThePaths() throws {
        try withTemporaryFolder { folder in
            let kernel = SmallKernel(hasLargeFile: false)
            try kernel.write(to: folder.path)
            let visitor = RecordingVisitor()
            let manifest = try HeaderFolder(source: folder.path).read(visitor)
            #expect(visitor.order == visitor.order.sorted())
            #expect(visitor.contents.count == manifest.fileCount)
            for (path, contents) in visitor.contents { #expect(contents == kernel.contents(path.string)) }
        }
    }

    @Test func architectureIsThatWithGeneratedHeaders() throws {
        try withTemporaryFolder { folder in
            for name in ["x86", "arm64", "um"] { try folder.write([], to: "arch/\(name)/include/asm/a.h") }
            #expect(try Self.refusal { _ = try HeaderFolder(source: folder.path) } == .archiveHasNoHeaders)
            try folder.write([], to: "arch/arm64/include/generated/asm/b.h")
            #expect(try HeaderFolder(source: folder.path).sourceArchitecture == "arm64")
            #expect(try HeaderFolder(source: folder.path, sourceArchitecture: "um").sourceArchitecture == "um")
            try folder.write([], to: "arch/x86/include/generated/asm/b.h")
            #expect(try Self.refusal { _ = try HeaderFolder(source: folder.path) } == .archiveHasNoHeaders)
        }
    }

    @Test func architectureMayBeToldByTheBuildFolder() throws {
        try withTemporaryFolder { folder in
            for name in ["x86", "arm64"] { try folder.write([], to: "source/arch/\(name)/include/asm/a.h") }
            try folder.write([], to: "build/arch/x86/include/generated/asm/b.h")
            let pair = try HeaderFolder(source: folder.path("source"), build: folder.path("build"))
            let expected = ["arch/x86/include/asm/a.h", "arch/x86/include/generated/asm/b.h"]
            #expect(try Self.paths(pair) == expected)
        }
    }

    @Test func folderThatIsNoKernels() throws {
        try withTemporaryFolder { folder in
            for name in ["none", "", "arch"] {
                let path = try folder.makeFolder("x/\(name)")
                #expect(try Self.refusal { _ = try HeaderFolder(source: path) } == .archiveHasNoHeaders)
            }
            #expect(try Self.refusal { _ = try HeaderFolder(source: "/nonexistent") } == .archiveHasNoHeaders)
            try folder.write([], to: "y/include/linux/Kbuild")
            let empty = try HeaderFolder(source: folder.path("y"), sourceArchitecture: "x86")
            #expect(try Self.refusal { _ = try empty.read(ManifestOnly()) } == .archiveHasNoHeaders)
        }
    }

    @Test func linksAreKeptAndNotFollowed() throws {
        try withTemporaryFolder { folder in
            try folder.write("1".utf8, to: "include/linux/a.h")
            try folder.write("2".utf8, to: "elsewhere/secret.h")
            #expect(symlink("a.h", folder.path("include/linux/link.h")) == 0)
            #expect(symlink("../elsewhere", folder.path("include/door")) == 0)
            let headers = try HeaderFolder(source: folder.path, sourceArchitecture: "x86")
            #expect(try Self.paths(headers) == ["include/linux/a.h", "include/linux/link.h"])
            let link = try headers.read(ManifestOnly()).entries[1]
            #expect(link.kind == .link(target: "a.h"))
            #expect(symlink("../../elsewhere/secret.h", folder.path("include/linux/out.h")) == 0)
            #expect(try Self.paths(headers).count == 3, "to the folder's inside, as far as the tree can tell")
            #expect(symlink("/etc/passwd", folder.path("include/linux/passwd.h")) == 0)
            #expect(try Self.refusal { _ = try headers.read(ManifestOnly()) } == .archiveLinkEscapes)
        }
    }

    @Test func namesAndTargetsThatAreNoText() throws {
        try withTemporaryFolder { folder in
            try folder.write([], to: "include/linux/a.h")
            let headers = try HeaderFolder(source: folder.path, sourceArchitecture: "x86")
            let link = folder.path("include/linux/link.h")
            #expect(symlink([0x61, CChar(bitPattern: 0xFF), 0], link) == 0)
            #expect(try Self.refusal { _ = try headers.read(ManifestOnly()) } == .archivePathNotUTF8)
            unlink(link)
            #expect(symlink(String(repeating: "t", count: 1025), link) == 0)
            #expect(try Self.refusal { _ = try headers.read(ManifestOnly()) } == .archivePathNotUTF8)
            unlink(link)
            let name = folder.path("include/linux/").utf8CString.dropLast() + [CChar(bitPattern: 0xFF), 0x2E, 0x68, 0]
            close(open(Array(name), O_WRONLY | O_CREAT, 0o644))
            #expect(try Self.refusal { _ = try headers.read(ManifestOnly()) } == .archivePathNotUTF8)
        }
    }

    @Test func limits() throws {
        try withTemporaryFolder { folder in
            for name in ["a", "b", "c"] {
                try folder.write([UInt8](repeating: 0, count: 100), to: "include/x/\(name).h")
            }
            let headers = try HeaderFolder(source: folder.path, sourceArchitecture: "x86")
            for (entries, size, code) in [
                (3, 100, nil), (2, 100, ProblemCode.archiveTooManyEntries), (3, 99, .archiveFileTooLarge),
            ] {
                var limits = ArchiveLimits.standard
                (limits.entries, limits.fileBytes) = (entries, size)
                #expect(try Self.refusal { _ = try headers.read(ManifestOnly(), limits: limits) } == code)
            }
        }
    }

    @Test func headerAndFolderOfOneName() throws {
        try withTemporaryFolder { folder in
            try folder.write([], to: "source/include/x.h")
            try folder.write([], to: "build/include/x.h/y.h")
            let pair = try HeaderFolder(
                source: folder.path("source"), build: folder.path("build"), sourceArchitecture: "x86")
            #expect(try Self.refusal { _ = try pair.read(ManifestOnly()) } == .archivePathThroughFile)
        }
    }

    /// Changes each file while it is read.
    private final class MeddlingVisitor: TreeVisitor {
        let root: String
        let contents: [UInt8]

        init(_ root: String, _ contents: [UInt8]) { (self.root, self.contents) = (root, contents) }

        func beginFile(_ path: HeaderPath, size: Int, executable: Bool) throws {
            try TemporaryFolder.write(contents, to: "\(root)/\(path)")
        }
        func write(_ bytes: UnsafeRawBufferPointer) {}
        func endFile(_ path: HeaderPath, digest: KernelHeaders.Digest) {}
    }

    @Test(arguments: ["", "longer than before"])
    func fileThatChangesWhileItIsRead(_ contents: String) throws {
        try withTemporaryFolder { folder in
            try folder.write("before".utf8, to: "include/a.h")
            let headers = try HeaderFolder(source: folder.path, sourceArchitecture: "x86")
            let visitor = MeddlingVisitor(folder.path, Array(contents.utf8))
            #expect(try Self.refusal { _ = try headers.read(visitor) } == .archiveCorrupt)
        }
    }
}
