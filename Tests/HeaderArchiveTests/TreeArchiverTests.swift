import HeaderArchive
import KHeaderTestSupport
import KernelHeaders
import Testing

@Suite struct TreeArchiverTests {
    static let kernel = SmallKernel()

    static func archive(_ folder: HeaderFolder) throws -> (bytes: [UInt8], manifest: TreeManifest) {
        let sink = MemorySink()
        let manifest = try TreeArchiver.write(folder, to: sink)
        #expect(sink.isFinished)
        return (sink.bytes, manifest)
    }

    @Test func archiveOfAFolderIsItsTree() throws {
        try withTemporaryFolder { folder in
            try Self.kernel.write(to: folder.path)
            let archive = try Self.archive(HeaderFolder(source: folder.path))
            #expect(try archive.manifest == Self.kernel.manifest)
            #expect(try ArchiveReading.manifest(of: archive.bytes) == archive.manifest)
        }
    }

    @Test func archiveOfAPairIsTheArchiveOfTheWhole() throws {
        try withTemporaryFolder { folder in
            try Self.kernel.writeSplit(source: folder.path("source"), build: folder.path("build"))
            try Self.kernel.write(to: folder.path("whole"))
            let pair = try HeaderFolder(source: folder.path("source"), build: folder.path("build"))
            let whole = try HeaderFolder(source: folder.path("whole"))
            #expect(try Self.archive(pair).bytes == Self.archive(whole).bytes)
            #expect(try Self.archive(whole).bytes == Self.archive(whole).bytes)
        }
    }

    @Test(arguments: ["tar", "bsdtar"])
    func toolsUnpackIt(_ tool: String) throws {
        try withTemporaryFolder { folder in
            try Self.kernel.write(to: folder.path("original"))
            let target = try folder.makeFolder("unpacked")
            let archive = try Self.archive(HeaderFolder(source: folder.path("original")))
            try ShellCommand(tool, "-C", target, "-xf", "-").output(archive.bytes)
            try FolderComparison.expectSame(folder.path("original"), target)
        }
    }
}
