internal import HeaderArchive
internal import KHeaderTestSupport
internal import KernelHeaders
@testable internal import KernelProbe
internal import Testing

/// Packages that no distribution makes.
@Suite struct HeaderPackageUnpackerTests {
    private static let tree = "usr/src/linux-headers-6.1.0-9-amd64"

    /// The headers that every tree must have.
    private static var complete: TarForge {
        var forge = TarForge()
        forge.addFile("./\(tree)/include/linux/types.h", "types")
        forge.addFile("./\(tree)/include/generated/autoconf.h", "config")
        return forge
    }

    private static func unpack(
        _ forge: TarForge, limits: ArchiveLimits = .standard, into folder: TemporaryFolder
    ) throws -> String {
        let place = try folder.makeFolder("out")
        let package = try DebianPackage(path: "x.deb", bytes: debianPackage(data: forge.finished()))
        var unpacker = try HeaderPackageUnpacker(directory: place, architecture: "x86", limits: limits)
        try unpacker.unpack(package, folder: "linux-headers-6.1.0-9-amd64", to: "build") { _ in }
        try unpacker.finish(release: "6.1.0-9-amd64")
        return place
    }

    private static func refused(_ add: (inout TarForge) -> Void, limits: ArchiveLimits = .standard) throws -> String {
        try withTemporaryFolder { folder in
            var forge = Self.complete
            add(&forge)
            var words = "not refused"
            do { _ = try unpack(forge, limits: limits, into: folder) } catch { words = "\(error)" }
            // Whatever it was, nothing is beside the folder.
            #expect(folder.names() == ["out"])
            return words
        }
    }

    @Test func takesHeadersOfTheTreeOnly() throws {
        try withTemporaryFolder { folder in
            var forge = Self.complete
            forge.addFolder("./\(Self.tree)/include/linux")
            forge.addFile("././\(Self.tree)/arch/x86/include/asm/page.h", "page", mode: 0o755)
            forge.addFile("\(Self.tree)/arch/arm/include/asm/page.h", "other architecture")
            forge.addFile("\(Self.tree)/arch/x86/kernel/x.h", "not under include")
            forge.addFile("\(Self.tree)/include/linux/Kbuild", "no header")
            forge.addFile("usr/src/linux-headers-6.1.0-9-amd64-more/include/a.h", "another tree")
            forge.addFile("../../etc/cron.d/x.h", "out, but not of this tree")
            forge.addLink("\(Self.tree)/include/linux/alias.h", to: "types.h")
            forge.addLink("\(Self.tree)/include/folder", to: "/etc")
            let place = try Self.unpack(forge, into: folder)
            let found = try ShellCommand("find", place, "-mindepth", "1", "!", "-type", "d", "-printf", "%P %#m %l\\n")
                .run()
            let lines = found.text.split(separator: "\n").map { String($0) }
            #expect(
                lines.sorted() == [
                    "build/arch/x86/include/asm/page.h 0755 ", "build/include/generated/autoconf.h 0644 ",
                    "build/include/linux/alias.h 0777 types.h", "build/include/linux/types.h 0644 ",
                ])
        }
    }

    @Test(arguments: ["../../../../out.h", "include/../../../../../out.h", "include/linux/../../../x.h"])
    func pathsThatGoUpAreRefused(name: String) throws {
        #expect(try Self.refused { $0.addFile("\(Self.tree)/\(name)", "x") }.contains("parentReference"))
    }

    @Test func namesThatAreNotUTF8AreRefused() throws {
        let name = Array("\(Self.tree)/include/".utf8) + [0xFF] + Array(".h".utf8)
        #expect(try Self.refused { $0.add(TarForge.Header(name)) }.contains("notUTF8"))
    }

    @Test func aPathTwiceIsRefused() throws {
        #expect(try Self.refused { $0.addFile("\(Self.tree)/include/linux/types.h", "again") }.contains("twice"))
        #expect(try Self.refused { $0.addLink("\(Self.tree)/include/linux/types.h", to: "x.h") }.contains("twice"))
    }

    @Test func aFileThroughALinkIsRefused() throws {
        let words = try Self.refused {
            $0.addLink("\(Self.tree)/include/evil.h", to: "../../..")
            $0.addFile("\(Self.tree)/include/evil.h/out.h", "x")
        }
        #expect(words != "not refused")
        let reversed = try Self.refused {
            $0.addFile("\(Self.tree)/include/evil.h/out.h", "x")
            $0.addLink("\(Self.tree)/include/evil.h", to: "../../..")
        }
        #expect(reversed != "not refused")
    }

    @Test func hardLinksAndDevicesAreRefused() throws {
        let name = "\(Self.tree)/include/linux/x.h"
        #expect(try Self.refused { $0.addHardLink(name, to: "etc/shadow") }.contains("something else"))
        for flag in "346" { #expect(try Self.refused { $0.add(.init(name, flag: flag)) }.contains("something else")) }
    }

    @Test func aLinkTargetOverTheLimitIsRefused() throws {
        let words = try Self.refused {
            $0.addGNULong([UInt8](repeating: UInt8(ascii: "x"), count: 2000), flag: "K")
            $0.addLink("\(Self.tree)/include/linux/x.h", to: "x")
        }
        #expect(words.contains("target"))
    }

    @Test func moreThanTheLimitsIsRefused() throws {
        var limits = ArchiveLimits()
        limits.entries = 2
        #expect(try Self.refused({ _ in }, limits: limits) == "not refused")
        limits.entries = 1
        #expect(try Self.refused({ _ in }, limits: limits).contains("over 1 headers"))
        limits = ArchiveLimits()
        limits.fileBytes = 5
        #expect(try Self.refused({ _ in }, limits: limits).contains("5 bytes a file"))
        limits = ArchiveLimits()
        limits.unpackedBytes = 10
        #expect(try Self.refused({ _ in }, limits: limits).contains("10 in all"))
    }

    @Test func anIncompleteTreeIsRefused() throws {
        try withTemporaryFolder { folder in
            var forge = TarForge()
            forge.addFile("\(Self.tree)/include/generated/autoconf.h", "config")
            #expect(refusal { _ = try Self.unpack(forge, into: folder) } == .packageIncomplete)
        }
        try withTemporaryFolder { folder in
            var forge = TarForge()
            forge.addFile("usr/share/doc/readme", "nothing here")
            #expect(refusal { _ = try Self.unpack(forge, into: folder) } == .packageIncomplete)
        }
    }
}
