import HeaderArchive
import KHeaderTestSupport
import KernelHeaders
import Testing

@testable import HeaderStore

/// Packs that no store writes: every checksum in them is right, and what they say is not.
@Suite struct ForgedPackTests {
    private let good = Array("int a;".utf8)
    private let bad = Array("int b;".utf8)

    @Test func aForgedPackThatTellsTheTruthIsServed() async throws {
        #expect(try await problem(with: good, prefix: .none) == nil)
    }

    @Test func contentsOfAnotherDigestAreDamage() async throws {
        #expect(try await problem(with: bad, prefix: .none)?.code == .storeDamaged)
    }

    /// Reading the block takes the block itself, and that takes it again.
    @Test func aBlockThatLeansOnItselfIsDamage() async throws {
        let prefix = BlockPrefix(numbers: [0], contents: bad, depth: 1)
        #expect(try await problem(with: good, prefix: prefix)?.code == .storeDamaged)
    }

    @Test func aBlockThatLeansOnNothingTheStoreHasIsDamage() async throws {
        let prefix = BlockPrefix(numbers: [7], contents: bad, depth: 1)
        #expect(try await problem(with: good, prefix: prefix)?.code == .storeDamaged)
    }

    @Test func aManifestOfAnotherTreeIsDamage() async throws {
        #expect(try await problem(with: good, prefix: .none, path: "include/b.h")?.code == .storeDamaged)
    }

    /// What a store with a pack of one block, of one file's contents, has to say when everything is asked of it.
    ///
    /// - Parameters:
    ///   - contents: what lies in the block in place of the good ones.
    ///   - path: what the manifest says in place of `include/a.h`.
    private func problem(
        with contents: [UInt8], prefix: BlockPrefix, path: String = "include/a.h"
    ) async throws -> Problem? {
        let kernel = try StoredKernel(id: 1, files: ["include/a.h": good])
        let path = try #require(HeaderPath(path))
        return try await withTemporaryFolder { folder in
            let state = folder.path("store")
            try HeaderStore(folder: state).close()
            let pack = try PackWriter(files: PosixFileSystem(), layout: StoreLayout(root: state))
            try pack.addBlock(contents, blobs: [(0, Digest(of: good), good.count)], prefix: prefix, level: 3)
            try pack.addManifest(
                StoredManifest(entries: [.init(path: path, kind: .file(number: 0, executable: false))]),
                digest: kernel.manifest.digest, files: 1, bytes: good.count, parent: nil)
            pack.addKernel(
                KernelRecord(
                    identity: KernelIdentity(buildID: kernel.id), source: .push, treeDigest: kernel.manifest.digest,
                    archiveDigest: Digest(of: []), firstSeen: 1))
            _ = try pack.commit(to: StoreLayout(root: state))
            _ = try CatalogueRebuild(folder: state, logger: .silent).run()
            let store = try HeaderStore(folder: state)
            do {
                try await store.requireWhole(kernel)
                return nil
            } catch let problem as Problem {
                return problem
            }
        }
    }
}
