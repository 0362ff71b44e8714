import HeaderArchive
import KHeaderTestSupport
import KernelHeaders
import Testing

/// The reader by itself, as packages are read with it.
@Suite struct TarReaderTests {
    @Test func givesEntriesAsTheyAre() throws {
        var forge = TarForge()
        forge.addFolder("./usr/")
        forge.addFile("./usr/../a", "contents", mode: 0o4750)
        forge.addLink("/link", to: "../../x")
        forge.addHardLink("hard", to: "./usr/../a")
        for flag in ["3", "4", "6", "S"] as [Character] { forge.add(.init("special", flag: flag)) }
        var reader = TarReader(MemorySource(forge.finished()))
        var entries: [TarEntry] = []
        while let entry = try reader.next() { entries.append(entry) }
        try reader.readToEnd()
        #expect(
            entries.map { String(decoding: $0.name, as: UTF8.self) }.prefix(4) == [
                "./usr/", "./usr/../a", "/link", "hard",
            ])
        let kinds: [TarEntry.Kind] = [
            .directory, .file, .symbolicLink, .hardLink, .characterDevice, .blockDevice, .fifo, .other(0x53),
        ]
        #expect(entries.map(\.kind) == kinds)
        #expect(entries.map(\.size) == [0, 8, 0, 0, 0, 0, 0, 0])
        #expect(entries[1].mode == 0o4750)
        #expect(entries[2].linkTarget == Array("../../x".utf8))
        #expect(try reader.next() == nil)
        #expect(try reader.next() == nil)
    }

    @Test func contentsMayBeReadOrLeft() throws {
        var forge = TarForge()
        let sizes = [0, 1, 511, 512, 513, 70_000]
        for size in sizes { forge.addFile("\(size)", [UInt8](repeating: UInt8(size % 251), count: size)) }
        for isRead in [true, false] {
            var reader = TarReader(DribblingSource(forge.finished(), piece: 100))
            for size in sizes {
                let entry = try #require(try reader.next())
                #expect(entry.size == size)
                guard isRead else { continue }
                var contents: [UInt8] = []
                try reader.readContents { contents.append(contentsOf: $0) }
                #expect(contents == [UInt8](repeating: UInt8(size % 251), count: size))
                try reader.readContents { _ in Issue.record("contents twice") }
            }
            #expect(try reader.next() == nil)
        }
    }

    /// With its padding it is more than an integer holds.
    @Test(arguments: [Int.max, Int.max - 1, Int.max - 511, Int.max - 600])
    func skippingTheLargestSizeIsNoTrap(_ size: Int) throws {
        var forge = TarForge()
        forge.addPax([("size", String(size))])
        forge.addFile("a", "1")
        var reader = TarReader(MemorySource(forge.finished()))
        #expect(try reader.next()?.size == size)
        let problem = #expect(throws: Problem.self) { try reader.next() }
        #expect(problem?.code == .archiveTruncated)
    }

    @Test func prefixIsForPOSIXArchivesOnly() throws {
        var posix = TarForge.Header("a.h")
        posix.prefix = Array("include/linux".utf8)
        var gnu = posix
        gnu.magic = Array("ustar  \0".utf8)
        var forge = TarForge()
        forge.add(posix)
        forge.add(gnu)
        var reader = TarReader(MemorySource(forge.finished()))
        #expect(try reader.next()?.name == Array("include/linux/a.h".utf8))
        #expect(try reader.next()?.name == Array("a.h".utf8))
    }

    @Test func fieldsMayBeFullToTheLastByte() throws {
        var header = TarForge.Header([UInt8](repeating: 0x6E, count: 100), flag: "2")
        header.prefix = [UInt8](repeating: 0x70, count: 155)
        header.linkName = [UInt8](repeating: 0x74, count: 100)
        var forge = TarForge()
        forge.add(header)
        var reader = TarReader(MemorySource(forge.finished()))
        let entry = try #require(try reader.next())
        #expect(entry.name.count == 256)
        #expect(entry.linkTarget.count == 100)
    }

    @Test func paxRecordsGoBeforeTheFields() throws {
        var forge = TarForge()
        forge.addPax([("comment", "x=y"), ("path", "long"), ("linkpath", "to"), ("mtime", "1.5"), ("size", "2")])
        forge.addFile("short", "12")
        forge.addFile("next", "1")
        var reader = TarReader(MemorySource(forge.finished()))
        let entry = try #require(try reader.next())
        #expect(entry.name == Array("long".utf8))
        #expect(entry.linkTarget == Array("to".utf8))
        #expect(entry.size == 2)
        #expect(try reader.next()?.name == Array("next".utf8))
    }

    @Test func sparseByPax() throws {
        for key in ["GNU.sparse.major", "GNU.sparse.map", "GNU.sparse.name"] {
            for isGlobal in [true, false] {
                var forge = TarForge()
                forge.addPax([(key, "1")], global: isGlobal)
                forge.addFile("a", "1")
                var reader = TarReader(MemorySource(forge.finished()))
                #expect(try reader.next()?.kind == .other(0x53))
            }
        }
    }
}
