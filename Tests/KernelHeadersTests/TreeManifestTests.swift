import HeaderArchive
import KernelHeaders
import Testing

@Suite struct TreeManifestTests {
    /// Entries out of order, one of each kind.
    static func example() throws -> TreeManifest {
        let abc = try #require(Digest("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"))
        let empty = try #require(Digest("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"))
        return TreeManifest(entries: [
            .init(path: try path("include/c.h"), kind: .link(target: "a.h")),
            .init(path: try path("include/a.h"), kind: .file(size: 0, digest: empty, executable: false)),
            .init(path: try path("arch/x86/include/asm/b.h"), kind: .file(size: 3, digest: abc, executable: true)),
        ])
    }

    static func path(_ text: String) throws -> HeaderPath { try #require(HeaderPath(text)) }

    /// Written by hand from the format's description; a change of any byte gives every tree another digest.
    static let golden = [
        "4b48545245450001",  // KHTREE, 0, version 1
        "78", "18000000", "617263682f7838362f696e636c7564652f61736d2f622e68",  // x, 24, arch/x86/include/asm/b.h
        "0300000000000000", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        "66", "0b000000", "696e636c7564652f612e68",  // f, 11, include/a.h
        "0000000000000000", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "6c", "0b000000", "696e636c7564652f632e68", "03000000", "612e68",  // l, 11, include/c.h, 3, a.h
    ].joined()

    @Test func canonicalBytesAreTheFormatsOwn() throws {
        let bytes = try Self.example().canonicalBytes
        let text = bytes.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
        #expect(text == Self.golden)
    }

    @Test func treeDigestIsTheSHA256OfTheCanonicalBytes() throws {
        // As sha256sum has it of the bytes above.
        let expected = "a54532f41cc3688f98598b8b71df723fd1a337d79220f03b4e32aa33a42f7c36"
        #expect(try Self.example().digest.description == expected)
    }

    @Test func aTreeOfNothingIsItsMagic() {
        let empty = TreeManifest(entries: [])
        #expect(empty.canonicalBytes == Array("KHTREE".utf8) + [0, 1])
        #expect(empty.fileCount == 0)
        #expect(empty.contentBytes == 0)
    }

    @Test func orderOfEntriesDoesNotMatter() throws {
        let example = try Self.example()
        for _ in 0..<10 {
            #expect(TreeManifest(entries: example.entries.shuffled()) == example)
        }
        #expect(example.entries.map(\.path.string) == ["arch/x86/include/asm/b.h", "include/a.h", "include/c.h"])
    }

    @Test func countsFilesAndBytesWithoutLinks() throws {
        #expect(try Self.example().fileCount == 2)
        #expect(try Self.example().contentBytes == 3)
    }

    @Test func findsEntriesByPath() throws {
        let example = try Self.example()
        for entry in example.entries { #expect(example[entry.path] == entry) }
        for missing in ["a", "include/b.h", "include/a.h.h", "zzz", "include"] {
            #expect(example[try Self.path(missing)] == nil)
        }
        #expect(TreeManifest(entries: [])[try Self.path("a")] == nil)
    }

    /// What is equal has one digest, and what is not, two.
    @Test func everyPartOfAnEntryCounts() throws {
        let path = try Self.path("include/a.h")
        let example = try Self.example()
        guard case .file(_, let digest, _) = example.entries[0].kind else { throw Missing() }
        guard case .file(_, let other, _) = example.entries[1].kind else { throw Missing() }
        let kinds: [TreeManifest.Kind] = [
            .file(size: 3, digest: digest, executable: false), .file(size: 3, digest: digest, executable: true),
            .file(size: 4, digest: digest, executable: false), .file(size: 3, digest: other, executable: false),
            .link(target: "b.h"), .link(target: "./b.h"), .link(target: "caf\u{E9}.h"), .link(target: "cafe\u{301}.h"),
        ]
        for (index, one) in kinds.enumerated() {
            for (otherIndex, other) in kinds.enumerated() {
                let manifests = [one, other].map { TreeManifest(entries: [.init(path: path, kind: $0)]) }
                #expect((manifests[0] == manifests[1]) == (index == otherIndex))
                #expect((manifests[0].digest == manifests[1].digest) == (index == otherIndex))
            }
        }
    }

    private struct Missing: Error {}
}
