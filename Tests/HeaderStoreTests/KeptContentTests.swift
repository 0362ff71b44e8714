import HeaderArchive
import KHeaderTestSupport
import KernelHeaders
import OperatorDocuments
import Synchronization
import Testing

@testable import HeaderStore

/// Manifests and files that are kept in memory for the next request: as long as the store has them, and only so many.
@Suite struct KeptContentTests {
    private let kernel: StoredKernel

    init() throws { kernel = try StoredKernel(id: 1, revision: 1) }

    private func withStore(_ body: (_ store: HeaderStore, _ state: String) async throws -> Void) async throws {
        try await withTemporaryFolder { folder in
            let state = folder.path("store")
            let store = try HeaderStore(folder: state)
            try await store.put(kernel)
            try await body(store, state)
            try store.close()
        }
    }

    @Test func aManifestIsWrittenOnceAndSoManyAreKept() async throws {
        try await withStore { store, _ in
            let calls = Mutex(0)
            @Sendable func encode(_ manifest: TreeManifest) -> [UInt8] {
                calls.withLock { $0 += 1 }
                return manifest.canonicalBytes
            }
            let tree = kernel.manifest.digest
            for _ in 0..<3 {
                let document = try await store.manifestDocument(of: tree, encode: encode)
                #expect(try document.bytes() == kernel.manifest.canonicalBytes && document.digest == tree)
            }
            #expect(calls.withLock { $0 } == 1)
            for id in UInt8(2)...9 {
                let other = try StoredKernel(id: id, revision: Int(id))
                try await store.put(other)
                let document = try await store.manifestDocument(of: other.manifest.digest, encode: encode)
                #expect(document.digest == other.manifest.digest)
            }
            #expect(store.content.keptDocument(of: tree) == nil)
            #expect(try await store.manifestDocument(of: tree, encode: encode).digest == tree)
            #expect(calls.withLock { $0 } == 10)
        }
    }

    @Test func manifestsAreKeptUpToSoManyBytes() async throws {
        let other = try StoredKernel(id: 2, revision: 2)
        try await withStore { store, _ in
            try await store.put(other)
            for (keptBytes, isKept) in [(ContentReader.keptBytes, true), (100, false)] {
                let content = ContentReader(catalogue: store.catalogue, layout: store.layout, keptBytes: keptBytes)
                let path = try #require(HeaderPath("include/linux/none.h"))
                for kernel in [kernel, other] {
                    _ = try content.document(of: kernel.manifest.digest) { $0.canonicalBytes }
                }
                // The last one in any case.
                for (tree, isKept) in [(kernel.manifest.digest, isKept), (other.manifest.digest, true)] {
                    #expect((content.keptDocument(of: tree) != nil) == isKept)
                    // Only a manifest that is at hand says that it has no such file.
                    let problem = Result { try content.keptFile(at: path, in: tree) }
                    if case .failure = problem { #expect(isKept) } else { #expect(!isKept) }
                }
            }
        }
    }

    @Test func whatIsCollectedIsNotKept() async throws {
        try await withStore { store, _ in
            let tree = kernel.manifest.digest
            let path = try #require(HeaderPath("include/linux/sched.h"))
            for _ in 0..<2 {
                #expect(try await store.file(at: path, in: tree).bytes == kernel.contents[path])
                _ = try await store.manifestDocument(of: tree) { $0.canonicalBytes }
            }
            #expect(try store.content.keptFile(at: path, in: tree) != nil)
            try await store.purge(kernel.id)
            _ = try await store.collect()
            let file = await #expect(throws: Problem.self) { _ = try await store.file(at: path, in: tree) }
            #expect(file?.code == .treeUnknown)
            let document = await #expect(throws: Problem.self) {
                _ = try await store.manifestDocument(of: tree) { $0.canonicalBytes }
            }
            #expect(document?.code == .treeUnknown)
        }
    }

    @Test func whatIsLostIsNotKept() async throws {
        try await withStore { store, state in
            let tree = kernel.manifest.digest
            let path = try #require(HeaderPath("include/linux/sched.h"))
            _ = try await store.file(at: path, in: tree)
            #expect(try store.content.keptFile(at: path, in: tree) != nil)
            let pack = try PackOnDisk.of(kernel, in: state)
            try pack.flip(at: try DamagedStoreTests.Place.block.range(in: pack).lowerBound + 1)
            #expect(try await store.verify().found == 1)
            let problem = await #expect(throws: Problem.self) { _ = try await store.file(at: path, in: tree) }
            #expect(problem?.code == .storeDamaged)
            try await store.put(kernel)
            #expect(try await store.file(at: path, in: tree).bytes == kernel.contents[path])
        }
    }
}
