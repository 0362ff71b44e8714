import HeaderArchive
import KHeaderTestSupport
import KernelHeaders
import Testing

/// Names that no kernel's headers have, one attack a test. Each is given by every way that a tar has for a name.
@Suite struct HostilePathTests {
    /// Where a name may stand.
    enum Place: CaseIterable { case header, prefix, pax, globalPax, gnuLongName }

    static func archive(_ name: [UInt8], in place: Place, flag: Character = "0") -> [UInt8] {
        var forge = TarForge.withHeader()
        var header = TarForge.Header("innocent.h", flag: flag)
        switch place {
        case .header: header.name = name
        case .prefix:
            // Cut at the last slash, which the reader puts back.
            let slash = name.lastIndex(of: UInt8(ascii: "/")) ?? 0
            header.prefix = Array(name[..<slash])
            header.name = Array(name[slash...].drop { $0 == UInt8(ascii: "/") })
        case .pax: forge.addPax(raw: TarForge.paxRecord("path", name))
        case .globalPax: forge.addPax(raw: TarForge.paxRecord("path", name), global: true)
        case .gnuLongName: forge.addGNULong(name)
        }
        forge.add(header)
        return forge.finished()
    }

    static func expectRefusal(_ code: ProblemCode, _ name: String, _ places: [Place] = Place.allCases) throws {
        for place in places {
            #expect(try ArchiveReading.refusal(of: archive(Array(name.utf8), in: place)) == code, "\(place)")
        }
    }

    @Test(arguments: ["/etc/passwd", "//include/x.h", "/include/../x.h"])
    func absolutePath(_ name: String) throws {
        try Self.expectRefusal(.archivePathAbsolute, name, [.header, .pax, .globalPax, .gnuLongName])
    }

    @Test func absolutePathByPrefix() throws {
        try Self.expectRefusal(.archivePathAbsolute, "/etc/cron.d/x", [.prefix])
    }

    @Test(arguments: ["../x.h", "include/../../x.h", "./../x.h", "include/..", "..", "include/../linux/x.h"])
    func parentFolder(_ name: String) throws {
        try Self.expectRefusal(.archivePathParent, name, [.header, .pax, .globalPax, .gnuLongName])
    }

    @Test func parentFolderByPrefix() throws { try Self.expectRefusal(.archivePathParent, "../etc/x.h", [.prefix]) }

    @Test(arguments: ["include/../\u{301}x.h", "../\u{338}x.h"])
    func parentFolderBehindACombiningMark(_ name: String) throws {
        try Self.expectRefusal(.archivePathParent, name, [.header, .pax, .gnuLongName])
    }

    @Test(arguments: ["5", "2", "1", "3", "6"] as [Character])
    func parentFolderInEntriesOfOtherKinds(_ flag: Character) throws {
        let archive = Self.archive(Array("../x".utf8), in: .header, flag: flag)
        #expect(try ArchiveReading.refusal(of: archive) == .archivePathParent)
    }

    @Test func nameThatIsNotUTF8() throws {
        for name in [[0x61, 0xFF, 0x2E, 0x68], [0xC0, 0xAE, 0xC0, 0xAE], [0xED, 0xA0, 0x80]] as [[UInt8]] {
            for place in [Place.header, .pax, .globalPax, .gnuLongName] {
                let archive = Self.archive(Array("include/".utf8) + name, in: place)
                #expect(try ArchiveReading.refusal(of: archive) == .archivePathNotUTF8)
            }
        }
    }

    /// A reader in C would take the part before it, another one the whole.
    @Test func nulInAPaxPath() throws {
        try Self.expectRefusal(.archivePathContainsNUL, "include/linux/a.h\0/../../x", [.pax, .globalPax])
    }

    @Test func emptyName() throws {
        try Self.expectRefusal(.archivePathEmpty, "", [.header, .pax, .globalPax, .gnuLongName])
        try Self.expectRefusal(.archivePathEmpty, "./", [.header])
        try Self.expectRefusal(.archivePathEmpty, ".", [.pax])
    }

    @Test func theRootItselfIsNoAttack() throws {
        for name in [".", "./", ".//./"] {
            #expect(try ArchiveReading.refusal(of: Self.archive(Array(name.utf8), in: .header, flag: "5")) == nil)
        }
    }

    @Test func pathTooLong() throws {
        let atLimit = String(repeating: "0123456789abcdef0123456789abcdef0123456789abcde/", count: 21)
        #expect(atLimit.utf8.count == 1008)
        try Self.expectRefusal(.archivePathTooLong, atLimit + "0123456789abcd.hh", [.pax, .gnuLongName])
        let fits = Self.archive(Array((atLimit + "0123456789abcd.h").utf8), in: .pax)
        #expect(try ArchiveReading.refusal(of: fits) == nil)
    }

    @Test func nameTooLong() throws {
        let name = String(repeating: "n", count: 255)
        try Self.expectRefusal(.archivePathTooLong, "include/\(name)n", [.pax, .globalPax, .gnuLongName])
        #expect(try ArchiveReading.refusal(of: Self.archive(Array("include/\(name)".utf8), in: .pax)) == nil)
    }

    @Test func pathTooDeep() throws {
        let deepest = Array(repeating: "d", count: 32).joined(separator: "/")
        try Self.expectRefusal(.archivePathTooDeep, "d/\(deepest)")
        #expect(try ArchiveReading.refusal(of: Self.archive(Array(deepest.utf8), in: .header)) == nil)
    }

    @Test(arguments: [
        ("include/a.h", "include/a.h"), ("include/a.h", "./include//a.h"), ("./a", "a"),
        ("include/a.h", "include/a.h/"),
    ])
    func duplicatePath(_ first: String, _ second: String) throws {
        var forge = TarForge.withHeader()
        forge.addFile(first, "1")
        forge.addFile(second, "2")
        #expect(try ArchiveReading.refusal(of: forge.finished()) == .archivePathDuplicate)
    }

    @Test func duplicatePathOfOtherKinds() throws {
        var forge = TarForge.withHeader()
        forge.addLink("include/a.h", to: "linux/kconfig.h")
        forge.addFile("include/a.h", "2")
        #expect(try ArchiveReading.refusal(of: forge.finished()) == .archivePathDuplicate)
        forge = .withHeader()
        forge.addHardLink("./include/linux/kconfig.h", to: "include/linux/kconfig.h")
        #expect(try ArchiveReading.refusal(of: forge.finished()) == .archivePathDuplicate)
    }

    @Test func folderTwiceIsNoAttack() throws {
        var forge = TarForge.withHeader()
        for _ in 0..<2 { forge.addFolder("./include/linux/") }
        #expect(try ArchiveReading.refusal(of: forge.finished()) == nil)
    }

    @Test func namesInOtherNormalFormsAreNoDuplicates() throws {
        var forge = TarForge.withHeader()
        forge.addFile("include/caf\u{E9}.h", "1")
        forge.addFile("include/cafe\u{301}.h", "2")
        #expect(try ArchiveReading.manifest(of: forge.finished()).fileCount == 3)
    }

    @Test func pathThroughALinkBeforeIt() throws {
        var forge = TarForge.withHeader()
        forge.addLink("include/door", to: "linux")
        forge.addFile("include/door/a.h", "1")
        #expect(try ArchiveReading.refusal(of: forge.finished()) == .archivePathThroughLink)
        forge = .withHeader()
        forge.addLink("include/door", to: "linux")
        forge.addFolder("include/door/deeper/")
        #expect(try ArchiveReading.refusal(of: forge.finished()) == .archivePathThroughLink)
    }

    @Test func pathThroughALinkAfterIt() throws {
        var forge = TarForge.withHeader()
        forge.addFile("include/door/deeper/a.h", "1")
        forge.addLink("include/door", to: "linux")
        #expect(try ArchiveReading.refusal(of: forge.finished()) == .archivePathThroughLink)
        forge = .withHeader()
        forge.addFolder("include/door/")
        forge.addLink("include/door", to: "linux")
        #expect(try ArchiveReading.refusal(of: forge.finished()) == .archivePathThroughLink)
    }

    @Test func linkThroughALink() throws {
        var forge = TarForge.withHeader()
        forge.addLink("include/door", to: "linux")
        forge.addLink("include/door/a.h", to: "kconfig.h")
        #expect(try ArchiveReading.refusal(of: forge.finished()) == .archivePathThroughLink)
    }

    @Test func fileAsAFolder() throws {
        var forge = TarForge.withHeader()
        forge.addFile("include/linux/kconfig.h/a.h", "1")
        #expect(try ArchiveReading.refusal(of: forge.finished()) == .archivePathThroughFile)
        forge = .withHeader()
        forge.addFile("include", "1")
        #expect(try ArchiveReading.refusal(of: forge.finished()) == .archivePathThroughFile)
        forge = .withHeader()
        forge.addFolder("include/linux/kconfig.h/")
        #expect(try ArchiveReading.refusal(of: forge.finished()) == .archivePathThroughFile)
    }

    @Test func sentencesHaveNoControlCharacters() throws {
        let name = "include/\u{1B}[2Jx\r\n\u{9B}.h"
        var forge = TarForge.withHeader()
        for _ in 0..<2 { forge.addFile(name, "1") }
        let archives = [forge.finished(), Self.archive(Array("../\(name)".utf8), in: .header)]
        for archive in archives {
            let problem = #expect(throws: Problem.self) { try ArchiveReading.manifest(of: archive) }
            let isPlain = problem?.detail.unicodeScalars.allSatisfy {
                $0.value >= 32 && !(127..<160).contains($0.value)
            }
            #expect(isPlain == true)
            #expect(problem?.detail.contains("include/?[2Jx???.h") == true)
        }
    }
}
