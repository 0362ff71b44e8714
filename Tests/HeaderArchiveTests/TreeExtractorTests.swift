import Glibc
import HeaderArchive
import KHeaderTestSupport
import KernelHeaders
import Testing

@Suite struct TreeExtractorTests {
    static let kernel = SmallKernel()

    @Test func unpacksTheTree() throws {
        try withTemporaryFolder { folder in
            try Self.kernel.write(to: folder.path("original"))
            let manifest = try ArchiveReading.unpack(Self.kernel.tar, to: folder.path("unpacked"))
            #expect(try manifest == Self.kernel.manifest)
            try FolderComparison.expectSame(folder.path("original"), folder.path("unpacked"))
        }
    }

    /// More folders than it keeps open, deep ones among them, and files in an order that comes back to each.
    @Test func unpacksMoreFoldersThanItKeepsOpen() throws {
        try withTemporaryFolder { folder in
            var forge = TarForge.withHeader()
            for round in 0..<2 {
                for number in 0..<300 {
                    let depth = number % 7 == 0 ? "/a/b/c/d/e/f/g/h" : ""
                    forge.addFile("include/folder\(number)\(depth)/\(round).h", "\(round) \(number)")
                }
            }
            let manifest = try ArchiveReading.unpack(forge.finished(), to: folder.path("unpacked"))
            #expect(manifest.fileCount == 601)
            let again = try HeaderFolder(source: folder.path("unpacked"), sourceArchitecture: "x86").read(
                ManifestOnly())
            #expect(again == manifest)
        }
    }

    @Test func unpacksHardLinksAsFiles() throws {
        try withTemporaryFolder { folder in
            var forge = TarForge.withHeader()
            forge.addFile("include/tool.h", "#define A 1\n", mode: 0o755)
            forge.addHardLink("include/deep/er/tool.h", to: "include/tool.h")
            forge.addHardLink("arch/x86/include/asm/kconfig.h", to: "include/linux/kconfig.h")
            let manifest = try ArchiveReading.unpack(forge.finished(), to: folder.path("unpacked"))
            #expect(try HeaderFolder(source: folder.path("unpacked")).read(ManifestOnly()) == manifest)
            #expect(manifest.fileCount == 4)
        }
    }

    /// What the archive is refused for must not be hidden by what the file system says first.
    @Test func refusesWithTheCodesOfTheReader() throws {
        try withTemporaryFolder { folder in
            var twice = TarForge.withHeader()
            twice.addFile("./include/linux/kconfig.h", "2")
            var asFolder = TarForge.withHeader()
            asFolder.addFile("include/linux/kconfig.h/a.h", "1")
            var folderAsFile = TarForge.withHeader()
            folderAsFile.addFile("include/linux", "1")
            var throughLink = TarForge.withHeader()
            throughLink.addLink("include/door", to: "linux")
            throughLink.addFile("include/door/a.h", "1")
            for (number, (forge, code)) in [
                (twice, ProblemCode.archivePathDuplicate), (asFolder, .archivePathThroughFile),
                (folderAsFile, .archivePathThroughFile), (throughLink, .archivePathThroughLink),
            ].enumerated() {
                let problem = #expect(throws: Problem.self) {
                    try ArchiveReading.unpack(forge.finished(), to: folder.path("\(number)"))
                }
                #expect(problem?.code == code)
            }
        }
    }

    @Test func hostileArchivesWriteNothingOutside() throws {
        try withTemporaryFolder { folder in
            try folder.write("untouched".utf8, to: "outside/canary.h")
            let names = ["../planted.h", "\(folder.path)/planted.h", "include/../../planted.h", "../outside/canary.h"]
            for (number, name) in names.enumerated() {
                for flag in ["0", "1", "2", "5"] as [Character] {
                    for place in [HostilePathTests.Place.header, .pax, .gnuLongName] {
                        let archive = HostilePathTests.archive(Array(name.utf8), in: place, flag: flag)
                        let target = folder.path("target\(number)\(flag)\(place)")
                        #expect(throws: Problem.self) { try ArchiveReading.unpack(archive, to: target) }
                    }
                }
            }
            for (number, out) in ["../outside", "../outside/canary.h", "\(folder.path)/outside"].enumerated() {
                var forge = TarForge.withHeader()
                forge.addLink("door", to: out)
                forge.addFile("door/planted.h", "1")
                let target = folder.path("target\(number)")
                #expect(throws: Problem.self) { try ArchiveReading.unpack(forge.finished(), to: target) }
            }
            #expect(folder.names().filter { !$0.utf8.starts(with: "target".utf8) } == ["outside"])
            #expect(folder.names(in: "outside") == ["canary.h"])
            #expect(try folder.read("outside/canary.h") == Array("untouched".utf8))
        }
    }

    @Test func linkInPlaceOfAFolderIsNotFollowed() throws {
        try withTemporaryFolder { folder in
            try folder.makeFolder("outside")
            for (number, planted) in ["include", "include/linux"].enumerated() {
                let target = folder.path("target\(number)")
                try TemporaryFolder.makeFolders(target + (planted == "include" ? "" : "/include"))
                #expect(symlink(folder.path("outside"), "\(target)/\(planted)") == 0)
                #expect(throws: SystemCallError.self) { try ArchiveReading.unpack(Self.kernel.tar, to: target) }
            }
            #expect(folder.names(in: "outside") == [])
        }
    }

    @Test func linkInPlaceOfAFileIsNotFollowed() throws {
        try withTemporaryFolder { folder in
            let victim = try folder.write("untouched".utf8, to: "victim")
            let target = try folder.makeFolder("target/include/linux")
            #expect(symlink(victim, "\(target)/kconfig.h") == 0)
            let refusal = SystemCallError(call: "openat", path: "include/linux/kconfig.h", number: EEXIST)
            #expect(throws: refusal) { try ArchiveReading.unpack(Self.kernel.tar, to: folder.path("target")) }
            #expect(try folder.read("victim") == Array("untouched".utf8))
        }
    }

    @Test func fileInPlaceOfALinkIsNotReplaced() throws {
        try withTemporaryFolder { folder in
            try folder.write("untouched".utf8, to: "target/\(SmallKernel.linkPath)")
            #expect(throws: SystemCallError.self) {
                try ArchiveReading.unpack(Self.kernel.tar, to: folder.path("target"))
            }
            #expect(try folder.read("target/\(SmallKernel.linkPath)") == Array("untouched".utf8))
        }
    }

    @Test func targetThatIsALinkOrNotThere() throws {
        try withTemporaryFolder { folder in
            try folder.makeFolder("outside")
            #expect(symlink("outside", folder.path("link")) == 0)
            for name in ["link", "none"] {
                #expect(throws: SystemCallError.self) { try TreeExtractor(directory: folder.path(name)) }
            }
        }
    }

    @Test func manifestOfAnotherTreeIsNotFinished() throws {
        try withTemporaryFolder { folder in
            let extractor = try TreeExtractor(directory: folder.path)
            let problem = #expect(throws: Problem.self) { try extractor.finish(try Self.kernel.manifest) }
            #expect(problem?.code == .internalError)
        }
    }
}
