import KHeaderTestSupport
import KernelHeaders
import Testing

@testable import HeaderStore

@Suite struct PackIndexTests {
    private let digests = (0..<6).map { Digest(of: [$0]) }

    @Test func theFormIsTheDocumentedOne() throws {
        var expected: [UInt8] = [2]
        expected += [0xAC, 0x02, 0xE8, 0x07, 0, 0]
        expected += [5, 7, 1, 2, 10, 11]
        expected += [3]
        expected += [0, 8, 0xD8, 0x04] + digests[0].bytes
        expected += [0, 0, 0x90, 0x03] + digests[1].bytes
        expected += [1, 5, 7] + digests[2].bytes
        expected += [2]
        expected += [9, 20] + digests[3].bytes + [3, 0xEF, 0x07, 0]
        expected += [6, 20] + digests[4].bytes + [2, 17, 1] + digests[3].bytes
        let json = """
            {"archiveDigest":"\(digests[5])","firstSeen":1700000000,"identity":{"architecture":"x86_64",\
            "buildID":"0102","hasBTF":true,"release":"6.1.0"},"source":"push","treeDigest":"\(digests[3])"}
            """
        expected += [1] + [UInt8(json.utf8.count & 0x7F) | 0x80, UInt8(json.utf8.count >> 7)] + Array(json.utf8)
        #expect(try index.encoded() == expected)
        #expect(try PackIndex(encoded: expected) == index)
    }

    @Test func aRewrittenPacksIndexHasTheDocumentedForm() throws {
        let digests = (0..<4 as Range<UInt8>).map { Digest(of: [$0]) }
        var index = PackIndex()
        index.replaced = [digests[0]]
        index.random = 300
        index.lost = .init(
            blobs: [.init(number: 7, digest: digests[1], length: 600)],
            manifests: [.init(digest: digests[2], files: 3, bytes: 9)])
        var expected: [UInt8] = [0, 0, 0, 0, 0xAC, 0x02, 1] + digests[0].bytes
        expected += [1, 7, 0xD8, 0x04] + digests[1].bytes + [1] + digests[2].bytes + [3, 9]
        #expect(try index.encoded() == expected)
        #expect(try PackIndex(encoded: expected, isRewritten: true) == index)
        expectDamage { _ = try PackIndex(encoded: expected) }
        for length in 4..<expected.count {
            expectDamage { _ = try PackIndex(encoded: Array(expected.prefix(length)), isRewritten: true) }
        }
        expectDamage { _ = try PackIndex(encoded: expected + [0], isRewritten: true) }
    }

    /// What an ingest compresses tightly is known by its size; what was written anew is not.
    @Test func aPackOfAnIngestIsTightUpToALimit() {
        var index = PackIndex()
        #expect(index.isFromTightIngest)
        func block(_ bytes: Int) -> PackIndex.Block {
            .init(offset: 8, compressedLength: 1, rawLength: bytes, depth: 0, prefix: [])
        }
        index.blocks = [block(PackIndex.tightBytes - 1), block(1)]
        #expect(index.isFromTightIngest)
        index.blocks.append(block(1))
        #expect(!index.isFromTightIngest)
        index.blocks = [block(.max), block(.max)]
        #expect(!index.isFromTightIngest)
        index.blocks = []
        index.replaced = []
        #expect(index.isFromTightIngest)
        index.replaced = [digests[0]]
        #expect(!index.isFromTightIngest)
    }

    @Test func anEmptyIndexIsOne() throws {
        #expect(try PackIndex().encoded() == [0, 0, 0, 0])
        #expect(try PackIndex(encoded: [0, 0, 0, 0]) == PackIndex())
    }

    @Test func everyTruncationIsDamage() throws {
        let bytes = try index.encoded()
        for length in 0..<bytes.count { expectDamage { _ = try PackIndex(encoded: Array(bytes.prefix(length))) } }
        expectDamage { _ = try PackIndex(encoded: bytes + [0]) }
    }

    @Test(
        arguments: [
            [0xFF, 0xFF, 0xFF, 0x7F],  // more blocks than bytes
            [1, 1, 1, 0, 0x7F, 0],  // more prefix blobs than bytes
            [1, 5, 5, 0, 0, 1, 1, 0, 0] + [UInt8](repeating: 0, count: 32) + [0, 0],  // no such block
            [1, 5, 5, 0, 0, 1, 0, 1, 0] + [UInt8](repeating: 0, count: 32) + [0, 0],  // a negative number
            [1, 5, 5, 0, 0, 1, 0, 0, 6] + [UInt8](repeating: 0, count: 32) + [0, 0],  // beyond its block
            [0, 0, 1, 1, 1] + [UInt8](repeating: 0, count: 32) + [0, 0, 2, 0],  // half a parent
            [0, 0, 0, 1, 2, 0x7B, 0x7D],  // a kernel without anything
        ] as [[UInt8]])
    func whatNoStoreWritesIsDamage(bytes: [UInt8]) {
        expectDamage { _ = try PackIndex(encoded: bytes) }
    }

    @Test func sumsThatOverflowAreDamage() {
        let huge = [UInt8](repeating: 0xFF, count: 8) + [0x7F]
        let zeros = [UInt8](repeating: 0, count: 32)
        expectDamage { _ = try PackIndex(encoded: [2] + huge + [1, 0, 0] + huge + [1, 0, 0, 0, 0, 0]) }
        expectDamage {
            _ = try PackIndex(
                encoded: [1, 1] + huge + [0, 0, 2, 0, 0] + huge + zeros + [0, 0] + huge + zeros + [0, 0])
        }
        let halfway = [0] + [0xFE] + huge.dropFirst() + [0] + zeros
        expectDamage { _ = try PackIndex(encoded: [1, 1, 9, 0, 0, 3] + halfway + halfway + halfway + [0, 0]) }
    }

    @Test func anyMutationIsDamageOrAnotherIndex() throws {
        let bytes = try index.encoded()
        var random = SeededGenerator(seed: 5)
        for _ in 0..<5000 {
            let mutated = bytes.mutated(&random)
            do {
                let index = try PackIndex(encoded: mutated)
                for blob in index.blobs where blob.offset + blob.length > index.blocks[blob.block].rawLength {
                    Issue.record("\(mutated) has a blob that is in no block")
                }
                let again = try PackIndex(encoded: try index.encoded())
                if again != index { Issue.record("\(mutated) is read in two ways") }
            } catch let problem as Problem where problem.code == .storeDamaged {
            }
        }
    }

    private var index: PackIndex {
        var index = PackIndex()
        index.blocks = [
            .init(offset: 8, compressedLength: 300, rawLength: 1000, depth: 0, prefix: []),
            .init(offset: 308, compressedLength: 5, rawLength: 7, depth: 1, prefix: [10, 11]),
        ]
        index.blobs = [
            .init(number: 4, digest: digests[0], length: 600, block: 0, offset: 0),
            .init(number: 5, digest: digests[1], length: 400, block: 0, offset: 600),
            .init(number: 3, digest: digests[2], length: 7, block: 1, offset: 0),
        ]
        index.manifests = [
            .init(
                offset: 313, compressedLength: 9, rawLength: 20, digest: digests[3], files: 3, bytes: 1007, parent: nil),
            .init(
                offset: 322, compressedLength: 6, rawLength: 20, digest: digests[4], files: 2, bytes: 17,
                parent: digests[3]),
        ]
        index.kernels =
            BuildID("0102").map { id in
                let identity = KernelIdentity(
                    buildID: id, release: "6.1.0", architecture: Architecture(machine: "x86_64"), hasBTF: true)
                return [
                    KernelRecord(
                        identity: identity, source: .push, treeDigest: digests[3], archiveDigest: digests[5],
                        firstSeen: 1_700_000_000)
                ]
            } ?? []
        return index
    }
}
