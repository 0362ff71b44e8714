import HeaderArchive
import KHeaderTestSupport
import KernelHeaders
import Testing

@testable import HeaderStore

/// Kernels that each change one file and keep what the others added: blocks lean on older blocks, manifests on older
/// manifests, and the chains end.
@Suite struct RevisionChainTests {
    @Test func chainsOfPrefixesAndParentsAreBounded() async throws {
        let revisions = try (1...36).map { revision in
            var files = [
                "include/linux/changing.h": IngestTests.text(seed: "changing", bytes: 2000) + [UInt8(revision)]
            ]
            for number in 1...revision { files["include/linux/\(number).h"] = Array("int \(number);".utf8) }
            return try StoredKernel(id: UInt8(revision), files: files)
        }
        try await withTemporaryFolder { folder in
            let state = folder.path("store")
            let store = try HeaderStore(folder: state)
            for kernel in revisions { try await store.put(kernel) }
            for kernel in revisions { try await store.requireWhole(kernel) }
            try store.close()

            let blocks = try PackOnDisk.all(in: state).map(\.index.blocks)
            let depths = blocks.map { $0.map(\.depth).max() ?? 0 }
            // The first nine: each leans on the one before. Then one takes the place of some.
            #expect(Array(depths.prefix(9)) == Array(0...8))
            #expect(depths.max() == PackIndex.maximumDepth)
            // As changes come and go, so that none of the later ones is stored whole.
            let changing = blocks.dropFirst().compactMap { $0.max { $0.depth < $1.depth } }
            #expect(changing.allSatisfy { $0.depth > 0 && $0.compressedLength < 100 })
            for block in blocks.joined() where block.depth == 0 { #expect(block.prefix.isEmpty) }

            let rows = try revisions.map { try StoredTree.of($0, in: state).row }
            #expect(rows.prefix(33).map(\.depth) == Array(0...32))
            #expect(rows[32].depth == StoredManifest.maximumDepth)
            // Then as blocks do; never whole again.
            #expect(rows.dropFirst(33).allSatisfy { $0.depth > 0 && $0.depth <= StoredManifest.maximumDepth })
        }
    }

    /// The pack with the largest part in an archive is its parent, not the newest or the first.
    @Test func aFlavourLeansOnItsOwnLine() async throws {
        func kernel(_ id: UInt8, flavour: String, revision: Int) throws -> StoredKernel {
            var files = ["include/linux/common.h": IngestTests.text(seed: "common", bytes: 3000)]
            for number in 0..<4 {
                files["include/linux/\(number).h"] = IngestTests.text(seed: "\(revision) \(number)", bytes: 1000)
                files["include/generated/\(number).h"] =
                    IngestTests.text(seed: "\(flavour) \(number)", bytes: 1000) + Array("\(revision)".utf8)
            }
            return try StoredKernel(id: id, files: files)
        }
        let plain = try kernel(1, flavour: "amd64", revision: 1)
        let cloud = try kernel(2, flavour: "cloud", revision: 1)
        let next = try kernel(3, flavour: "amd64", revision: 2)
        let nextCloud = try kernel(4, flavour: "cloud", revision: 2)
        try await withTemporaryFolder { folder in
            let store = try HeaderStore(folder: folder.path("store"))
            for kernel in [plain, cloud, next, nextCloud] { try await store.put(kernel) }
            let state = folder.path("store")
            func parent(_ kernel: StoredKernel) throws -> Digest? {
                try PackOnDisk.of(kernel, in: state).index.manifests[0].parent
            }
            #expect(try parent(plain) == nil)
            #expect(try parent(cloud) == plain.manifest.digest)
            #expect(try parent(next) == plain.manifest.digest)
            // It shares half of that revision's pack, and one file of older ones.
            #expect(try parent(nextCloud) == next.manifest.digest)
            for kernel in [plain, cloud, next, nextCloud] { try await store.requireWhole(kernel) }
        }
    }
}
