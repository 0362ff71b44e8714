import HeaderArchive
import KHeaderTestSupport
import KernelHeaders
import Testing

/// Links that lead out and entries that are no files, one attack a test.
@Suite struct HostileEntryTests {
    static func refusal(_ add: (inout TarForge) -> Void) throws -> ProblemCode? {
        var forge = TarForge.withHeader()
        add(&forge)
        return try ArchiveReading.refusal(of: forge.finished())
    }

    @Test(arguments: ["/etc/passwd", "/", "//x", "/include/linux/kconfig.h"])
    func linkOutByAnAbsolutePath(_ target: String) throws {
        #expect(try Self.refusal { $0.addLink("include/a.h", to: target) } == .archiveLinkEscapes)
    }

    @Test(arguments: ["../../x", "../../../etc/passwd", "..", "../..", ".", "", "./", "../../include/linux/kconfig.h"])
    func linkOutByARelativePath(_ target: String) throws {
        #expect(try Self.refusal { $0.addLink("include/a.h", to: target) } == .archiveLinkEscapes)
    }

    /// Inside by its text, outside if `linux` is another link.
    @Test(arguments: ["linux/../..", "linux/../../x", "linux/../asm/x.h", "./linux/./../x"])
    func linkDownAndUp(_ target: String) throws {
        #expect(try Self.refusal { $0.addLink("include/a.h", to: target) } == .archiveLinkEscapes)
    }

    @Test func linkOutBehindACombiningMark() throws {
        #expect(try Self.refusal { $0.addLink("include/a.h", to: "../../\u{301}x") } == .archiveLinkEscapes)
        #expect(try Self.refusal { $0.addLink("include/a.h", to: "x/../\u{301}/../../etc") } == .archiveLinkEscapes)
    }

    @Test func linkOutByALongTarget() throws {
        let target = Array((String(repeating: "./", count: 100) + "../../x").utf8)
        for isPax in [true, false] {
            let code = try Self.refusal { forge in
                if isPax {
                    forge.addPax(raw: TarForge.paxRecord("linkpath", target))
                } else {
                    forge.addGNULong(target, flag: "K")
                }
                forge.addLink("include/a.h", to: "linux/kconfig.h")
            }
            #expect(code == .archiveLinkEscapes)
        }
    }

    @Test(arguments: ["linux/kconfig.h", "./linux/kconfig.h", "../include/linux/kconfig.h", "nowhere.h", "..a/..b"])
    func linkInsideIsNoAttack(_ target: String) throws {
        #expect(try Self.refusal { $0.addLink("include/a.h", to: target) } == nil)
    }

    @Test func linkTargetThatIsNoText() throws {
        for (target, code) in [
            ([0x61, 0xFF], ProblemCode.archivePathNotUTF8), (Array("a\0../..".utf8), .archivePathContainsNUL),
            ([UInt8](repeating: 0x61, count: 1025), .archivePathTooLong),
        ] {
            let found = try Self.refusal { forge in
                forge.addPax(raw: TarForge.paxRecord("linkpath", target))
                forge.addLink("include/a.h", to: "x")
            }
            #expect(found == code)
        }
    }

    @Test(arguments: ["/etc/passwd", "../x", "include/../../x", "..", "include/../\u{301}x", ""])
    func hardLinkOut(_ target: String) throws {
        #expect(try Self.refusal { $0.addHardLink("include/a.h", to: target) } == .archiveHardLinkEscapes)
    }

    @Test func hardLinkToNothing() throws {
        let code = ProblemCode.archiveHardLinkDangling
        #expect(try Self.refusal { $0.addHardLink("include/a.h", to: "include/none.h") } == code)
        #expect(try Self.refusal { $0.addHardLink("include/a.h", to: "include/a.h") } == code)
        #expect(try Self.refusal { $0.addHardLink("include/a.h", to: "include/linux") } == code)
        // To a file that comes later.
        let later = try Self.refusal {
            $0.addHardLink("include/a.h", to: "include/b.h")
            $0.addFile("include/b.h", "1")
        }
        #expect(later == code)
    }

    @Test func hardLinkToALink() throws {
        let code = try Self.refusal {
            $0.addLink("include/door.h", to: "linux/kconfig.h")
            $0.addHardLink("include/a.h", to: "include/door.h")
        }
        #expect(code == .archiveHardLinkDangling)
    }

    @Test func hardLinkWithAModeOfItsOwnIsStillTheFile() throws {
        var forge = TarForge.withHeader()
        var header = TarForge.Header("include/a.h", flag: "1")
        header.linkName = Array("include/linux/kconfig.h".utf8)
        header.mode = TarForge.octal(0o4777, digits: 7)
        // Some writers keep the file's size in it, though nothing follows.
        header.size = TarForge.octal(12, digits: 11)
        forge.add(header)
        let manifest = try ArchiveReading.manifest(of: forge.finished())
        #expect(manifest.entries.count == 2)
        #expect(manifest.entries[0].kind == manifest.entries[1].kind)
    }

    @Test func characterDevice() throws {
        #expect(try Self.refusal { $0.add(.init("include/null", flag: "3")) } == .archiveDevice)
    }

    @Test func blockDevice() throws {
        #expect(try Self.refusal { $0.add(.init("include/sda", flag: "4")) } == .archiveDevice)
    }

    @Test func fifo() throws {
        #expect(try Self.refusal { $0.add(.init("include/pipe", flag: "6")) } == .archiveFIFO)
    }

    @Test(arguments: ["S", "V", "M", "D", "N", "A", "X", "Z", "8"] as [Character])
    func entriesOfUnknownKinds(_ flag: Character) throws {
        #expect(try Self.refusal { $0.add(.init("include/x.h", flag: flag)) } == .archiveEntryKind)
    }

    /// The forms of sparse files that GNU tar has had; each describes more bytes than it brings.
    @Test(arguments: [("gnu", "0.0"), ("posix", "0.0"), ("posix", "0.1"), ("posix", "1.0")])
    func sparseFileOfGNUTar(_ format: String, _ version: String) throws {
        try withTemporaryFolder { folder in
            try folder.write("#define A 1\n".utf8, to: "include/linux/kconfig.h")
            let file = try folder.write([], to: "include/linux/sparse.h")
            try ShellCommand("truncate", "-s", "8M", file).output()
            let tar = try ShellCommand(
                "tar", "-C", folder.path, "-cf", "-", "--sparse", "--format=\(format)", "--sparse-version=\(version)",
                "include"
            ).output()
            #expect(tar.count < 1 << 20)
            #expect(try ArchiveReading.refusal(of: tar) == .archiveEntryKind)
        }
    }

    @Test(arguments: ["0", "7", "\0"] as [Character])
    func filesByAnyOfTheirFlags(_ flag: Character) throws {
        #expect(try Self.refusal { $0.add(.init("include/x.h", flag: flag)) } == nil)
    }

    @Test func setUserIDIsNotKept() throws {
        var forge = TarForge.withHeader()
        forge.addFile("include/a.h", "1", mode: 0o6755)
        forge.addFile("include/b.h", "1", mode: 0o0755)
        let manifest = try ArchiveReading.manifest(of: forge.finished())
        #expect(manifest.entries[0].kind == manifest.entries[1].kind)
    }
}
