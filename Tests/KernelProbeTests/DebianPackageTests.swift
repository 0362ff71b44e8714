internal import HeaderArchive
internal import KHeaderTestSupport
@testable internal import KernelProbe
internal import Testing

@Suite struct DebianPackageTests {
    private static func read(_ bytes: [UInt8], limits: PackageLimits = .standard) throws -> [String] {
        var names: [String] = []
        try DebianPackage(path: "x.deb", bytes: bytes, limits: limits).readFiles { entry, _ in
            names.append(String(decoding: entry.name, as: UTF8.self))
            return true
        }
        return names
    }

    private static let tar: [UInt8] = {
        var forge = TarForge()
        forge.addFile("./a", "a")
        forge.addFile("./b", "bb")
        return forge.finished()
    }()

    @Test(arguments: ["xz", "zstd", "gzip", "none"]) func readsWhatDpkgBuilds(compression: String) throws {
        try withTemporaryFolder { folder in
            let forge = DebianForge(folder: folder, compression: compression)
            let path = try forge.build(
                "example", "1:2.0-3", architecture: "all", depends: "a (>= 1) | b, c:any"
            ) {
                try TemporaryFolder.write(Array("hello".utf8), to: "\($0)/usr/share/doc/example/hello")
            }
            let package = try DebianPackage(path: path)
            #expect(package.title == "example 1:2.0-3")
            #expect(package.architecture == "all")
            #expect(package.depends.map { $0.map(\.name) } == [["a", "b"], ["c"]])
            var contents: [String: [UInt8]] = [:]
            var progress: [PackageProgress] = []
            try package.readFiles(progress: { progress.append($0) }) { entry, reader in
                guard entry.kind == .file else { return true }
                var bytes: [UInt8] = []
                try reader.readContents { bytes.append(contentsOf: $0) }
                contents[String(decoding: entry.name, as: UTF8.self)] = bytes
                return true
            }
            #expect(contents == ["./usr/share/doc/example/hello": Array("hello".utf8)])
            let size = try folder.read("example_1:2.0-3_all.deb").count
            #expect(progress.allSatisfy { $0.path == path && $0.bytesTotal == size })
            #expect((progress.last?.bytesRead ?? 0) > size / 2)
        }
    }

    @Test func readsNoFurtherThanAsked() throws {
        var seen = 0
        try DebianPackage(path: "x.deb", bytes: debianPackage(data: Self.tar)).readFiles { _, _ in
            seen += 1
            return false
        }
        #expect(seen == 1)
    }

    @Test func otherFormatsAreNamed() throws {
        let rpm = try #require(throws: ProbeError.self) {
            try DebianPackage(path: "kernel.rpm", bytes: [0xED, 0xAB, 0xEE, 0xDB, 3, 0, 0, 0, 0])
        }
        #expect(rpm.reason == .notADebianPackage)
        #expect(rpm.description.contains("kernel.rpm: This is an RPM package"))
        for bytes in [[], Array("PK\u{3}\u{4}".utf8), Array("!<arch".utf8)] {
            #expect(refusal { _ = try DebianPackage(path: "x", bytes: bytes) } == .notADebianPackage)
        }
    }

    @Test func arArchivesThatAreNoPackagesAreRefused() {
        let version = ("debian-binary", Array("2.0\n".utf8))
        let cases: [[(String, [UInt8])]] = [
            [], [("lib.o", [1, 2])], [("debian-binary", Array("3.0\n".utf8)), ("control.tar", []), ("data.tar", [])],
            [version], [version, ("control.tar", Self.tar)], [version, ("data.tar", Self.tar)],
            [version, ("control.tar", Self.tar), ("data.tar", Self.tar)],
            [version, ("control.tar.bz2", Array("BZh91AY".utf8)), ("data.tar", Self.tar)],
        ]
        for members in cases {
            #expect(refusal { _ = try DebianPackage(path: "x", bytes: arArchive(members)) } == .packageDamaged)
        }
    }

    @Test(arguments: ["Package: a\nVersion: 1\n", "Version: 1\nArchitecture: all\n", "", ":\n \n"])
    func aControlFileThatLacksFieldsIsRefused(text: String) {
        #expect(refusal { _ = try Self.read(debianPackage(data: Self.tar, controlText: text)) } == .packageDamaged)
    }

    @Test func malformedMemberHeadersAreRefused() {
        let package = debianPackage(data: Self.tar)
        for (offset, text) in [
            (8 + 58, "xx"), (8 + 48, "x"), (8 + 48, "-1"), (8 + 48, " 4"), (8 + 48, "4 4"), (8 + 48, "          "),
        ] {
            var bytes = package
            bytes.replaceSubrange(offset..<(offset + text.utf8.count), with: text.utf8)
            #expect(refusal { _ = try Self.read(bytes) } == .packageDamaged)
        }
        var bytes = package
        bytes.replaceSubrange(8 + 48..<8 + 58, with: "9999999999".utf8)
        #expect(refusal { _ = try Self.read(bytes) } == .truncated)
    }

    @Test func moreThanTheLimitsIsRefused() {
        let package = debianPackage(data: Self.tar)
        #expect(throws: Never.self) { try Self.read(package) }
        var limits = PackageLimits()
        limits.entries = 2
        #expect(refusal { _ = try Self.read(package, limits: limits) } == nil)
        limits.entries = 1
        #expect(refusal { _ = try Self.read(package, limits: limits) } == .tooLarge)
        limits = PackageLimits()
        limits.unpackedBytes = Self.tar.count - 1024
        #expect(refusal { _ = try Self.read(package, limits: limits) } == .tooLarge)
        limits = PackageLimits()
        limits.controlBytes = 10
        #expect(refusal { _ = try Self.read(package, limits: limits) } == .tooLarge)
        let members = (0..<65).map { ("member\($0)", [UInt8]()) }
        #expect(refusal { _ = try DebianPackage(path: "x", bytes: arArchive(members)) } == .packageDamaged)
    }

    @Test(arguments: ["xz", "zstd", "gzip"]) func everyTruncationIsRefused(compression: String) throws {
        try withTemporaryFolder { folder in
            let path = try DebianForge(folder: folder, compression: compression).build("linux-headers-6.1") {
                try TemporaryFolder.write(Array("hello".utf8), to: "\($0)/usr/src/hello")
            }
            let bytes = try FileSource(path: path).readAll()
            // The last byte may be the padding of a member of odd length, which nobody needs.
            for length in 0..<bytes.count - 1 {
                #expect(refusal { _ = try Self.read(Array(bytes.prefix(length))) } != nil, "\(length) bytes")
            }
        }
    }

    @Test(arguments: ["xz", "zstd", "gzip"]) func mutatedPackagesDoNotTrap(compression: String) throws {
        try withTemporaryFolder { folder in
            let path = try DebianForge(folder: folder, compression: compression).build("linux-headers-6.1") {
                try TemporaryFolder.write(Array("hello".utf8), to: "\($0)/usr/src/hello")
            }
            var generator = SeededGenerator(seed: 7)
            let bytes = try FileSource(path: path).readAll()
            var limits = PackageLimits()
            limits.unpackedBytes = 1 << 20
            for _ in 0..<1_000 { _ = try? Self.read(bytes.mutated(&generator), limits: limits) }
        }
        var generator = SeededGenerator(seed: 8)
        let plain = debianPackage(data: Self.tar)
        for _ in 0..<2_000 { _ = try? Self.read(plain.mutated(&generator)) }
    }

    @Test func whatCouldControlATerminalIsReplacedInErrors() throws {
        let error = try #require(throws: ProbeError.self) {
            try DebianPackage(path: "a\u{1B}[2Jb\n\u{9B}", bytes: [UInt8]())
        }
        #expect(error.description.hasPrefix("a?[2Jb??: "))
    }
}

@Suite struct DebianControlTests {
    @Test func readsFieldsAndRelations() {
        let control = DebianControl(
            Array(
                """
                Package: linux-headers-6.1.0-9-amd64\r
                depends: linux-headers-6.1.0-9-common (= 6.1.9-2), linux-kbuild-6.1(>=6.1.9-2) ,
                 gcc-12:any [amd64] | gcc <!nocheck>,, | ,
                Description: first
                 second
                no colon here
                """.utf8))
        #expect(control["PACKAGE"] == "linux-headers-6.1.0-9-amd64")
        #expect(control["Description"] == "first second")
        #expect(control["Version"] == nil)
        typealias Relation = DebianControl.Relation
        let expected: [[Relation]] = [
            [Relation(name: "linux-headers-6.1.0-9-common", comparison: "=", version: "6.1.9-2")],
            [Relation(name: "linux-kbuild-6.1", comparison: ">=", version: "6.1.9-2")],
            [
                Relation(name: "gcc-12", comparison: nil, version: nil),
                Relation(name: "gcc", comparison: nil, version: nil),
            ],
        ]
        #expect(control.depends.filter { !$0.isEmpty } == expected)
    }
}
