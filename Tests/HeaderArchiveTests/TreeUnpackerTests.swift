import Glibc
import HeaderArchive
import KHeaderTestSupport
import KernelHeaders
import Testing

@Suite struct TreeUnpackerTests {
    private let kernel = SmallKernel(hasLargeFile: false)

    private func mode(_ path: String) throws -> mode_t {
        var status = stat()
        try #require(lstat(path, &status) == 0)
        return status.st_mode & 0o7777
    }

    @Test(arguments: [CompressionTool.xz, .zstd, .gzip])
    func anArchiveBecomesItsTree(tool: CompressionTool) throws {
        try withTemporaryFolder { folder in
            let manifest = try kernel.manifest
            let tree = try TreeUnpacker(folder: folder.path).unpack(MemorySource(try kernel.archive(tool)))
            #expect(tree.digest == manifest.digest)
            #expect(tree.files == manifest.fileCount)
            #expect(tree.bytes == manifest.contentBytes)
            #expect(try HeaderFolder(source: folder.path).read(ManifestOnly()) == manifest)
        }
    }

    @Test func foldersBecomeTheSameTree() throws {
        try withTemporaryFolder { folder in
            try kernel.writeSplit(source: folder.path("source"), build: folder.path("build"))
            try folder.makeFolder("tree")
            let headers = try HeaderFolder(source: folder.path("source"), build: folder.path("build"))
            let tree = try TreeUnpacker(folder: folder.path("tree"), access: .readOnly).copy(headers)
            #expect(try tree.digest == kernel.manifest.digest)
            #expect(try HeaderFolder(source: folder.path("tree")).read(ManifestOnly()) == kernel.manifest)
        }
    }

    @Test func whatIsReadOnlyIsSoInAllFolders() throws {
        try withTemporaryFolder { folder in
            try folder.makeFolder("tree")
            try TreeUnpacker(folder: folder.path("tree"), access: .readOnly).unpack(MemorySource(kernel.tar))
            for name in kernel.folders { #expect(try mode(folder.path("tree/\(name)")) == 0o555, "\(name)") }
            for (path, contents) in kernel.entries {
                guard case .file(_, let executable) = contents else { continue }
                #expect(try mode(folder.path("tree/\(path)")) == (executable ? 0o555 : 0o444), "\(path)")
            }
            FolderRemoval.remove(folder.path("tree"))
            #expect(folder.names().isEmpty)
        }
    }

    @Test(arguments: [TreeExtractor.Access.writable, .readOnly])
    func whatIsRefusedAtTheEndLeavesAnEmptyFolder(access: TreeExtractor.Access) throws {
        struct Other: Error {}
        try withTemporaryFolder { folder in
            let unpacker = TreeUnpacker(folder: folder.path, access: access)
            #expect(throws: Other.self) {
                try unpacker.unpack(MemorySource(kernel.tar)) { tree in
                    #expect(tree.files > 0)
                    throw Other()
                }
            }
            #expect(folder.names().isEmpty)
            #expect(throws: Problem.self) { try unpacker.unpack(MemorySource(kernel.tar.dropLast(1024))) }
            #expect(folder.names().isEmpty)
            // And the folder is good for another attempt.
            let tree = try unpacker.unpack(MemorySource(kernel.tar))
            #expect(try tree.digest == kernel.manifest.digest)
        }
    }

    @Test func aFolderThatIsNotThereOrALinkIsNotTouched() throws {
        try withTemporaryFolder { folder in
            try folder.write([1], to: "outside/file")
            #expect(symlink(folder.path("outside"), folder.path("link")) == 0)
            for name in ["link", "none"] {
                #expect(throws: SystemCallError.self) {
                    try TreeUnpacker(folder: folder.path(name)).unpack(MemorySource(kernel.tar))
                }
            }
            #expect(folder.names(in: "outside") == ["file"])
        }
    }

    /// Wherever the last free page or inode happens to be used.
    @Test(.enabled(if: SmallDisk.canMount, "takes the right to mount a tmpfs"))
    func aFullDiskIsSaidAndNothingIsLeft() throws {
        let disk = try SmallDisk(bytes: 2 << 20)
        let folder = "\(disk.path)/tree"
        try TemporaryFolder.makeFolders(folder)
        for kilobytes in [0, 4, 64, 128] {
            try disk.fillUp(leaving: kilobytes << 10)
            let problem = #expect(throws: Problem.self) {
                try TreeUnpacker(folder: folder, access: .readOnly).unpack(MemorySource(kernel.tar))
            }
            #expect(problem?.code == .diskFull)
            #expect(problem?.detail.contains(folder) == true)
            #expect(try FolderListing.names(in: folder).isEmpty)
            try disk.empty()
        }
        #expect(try TreeUnpacker(folder: folder).unpack(MemorySource(kernel.tar)).digest == kernel.manifest.digest)
    }
}
