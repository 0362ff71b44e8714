import HeaderArchive
import HeaderStore
import KHeaderTestSupport
import KernelHeaders
import Testing

/// Promise 1 where a kill shows nothing: without the right syncs, in the right order, a power loss takes what was
/// acknowledged. Every folder that one could leave is opened and looked at.
@Suite struct PowerLossTests {
    private let first: StoredKernel
    private let second: StoredKernel

    init() throws {
        first = try StoredKernel(id: 1, revision: 1)
        second = try StoredKernel(id: 2, revision: 2)
    }

    @Test func aPowerLossAtAnyStepOfAnIngestTakesNothingThatWasAcknowledged() async throws {
        try await withTemporaryFolder { folder in
            let loss = try PowerLoss(of: folder.path("store"), gallery: folder.makeFolder("gallery"))
            let store = try HeaderStore(folder: folder.path("store")) { $0.files = loss.files }
            try await store.put(first)
            loss.watch()
            try await store.put(second)
            try loss.takePicture()
            var isThere: [Bool] = []
            for picture in loss.pictures { isThere.append(try await look(at: picture, for: first, maybe: second)) }
            #expect(isThere.count > 30)
            // The kernel appears once, and stays.
            let appearance = try #require(isThere.firstIndex(of: true))
            #expect(appearance > 20)
            #expect(isThere[appearance...].allSatisfy { $0 })
        }
    }

    @Test func aPowerLossAtAnyStepOfAnUploadOfBTFTakesNothingThatWasAcknowledged() async throws {
        let btf = SmallBTF.bytes(["task_struct"])
        try await withTemporaryFolder { folder in
            let loss = try PowerLoss(of: folder.path("store"), gallery: folder.makeFolder("gallery"))
            let store = try HeaderStore(folder: folder.path("store")) { $0.files = loss.files }
            try await store.put(first)
            loss.watch()
            try await store.put(btf: btf, of: second.id)
            try loss.takePicture()
            var isThere: [Bool] = []
            for picture in loss.pictures {
                let store = try HeaderStore(folder: picture)
                try await store.requireNoStrays(in: picture)
                try await store.requireWhole(first)
                isThere.append(try await store.artefacts(of: second.id).hasBTF)
                #expect(try await store.put(btf: btf, of: second.id).isNew == !isThere[isThere.count - 1])
                #expect(try await store.btf(of: second.id)?.bytes == btf)
                try store.close()
            }
            let appearance = try #require(isThere.firstIndex(of: true))
            #expect(appearance > 5)
            #expect(isThere[appearance...].allSatisfy { $0 })
        }
    }

    /// A crash may leave the file with its name not synced: whoever is told that it is known must be able to rely on it.
    @Test func btfThatAStartFindsIsSafe() async throws {
        let btf = SmallBTF.bytes()
        try await withTemporaryFolder { folder in
            let path = folder.path("store")
            let loss = try PowerLoss(of: path, gallery: folder.makeFolder("gallery"))
            let before = try HeaderStore(folder: path) { $0.files = loss.files }
            try await before.put(btf: btf, of: first.id)
            try before.close()
            // The same names and bytes, none of it synced: renamed to and fro.
            let name = try #require(folder.names(in: "store/btf").first)
            try loss.files.rename("\(path)/btf/\(name)", to: "\(path)/staging/\(name)")
            for folder in ["btf", "staging"] { try loss.files.syncDirectory("\(path)/\(folder)") }
            try loss.files.rename("\(path)/staging/\(name)", to: "\(path)/btf/\(name)")
            let store = try HeaderStore(folder: path) { $0.files = loss.files }
            #expect(try await !store.put(btf: btf, of: first.id).isNew)
            try loss.takePicture()
            let found = try HeaderStore(folder: try #require(loss.pictures.last))
            #expect(try await found.btf(of: first.id)?.bytes == btf)
        }
    }

    @Test func aPowerLossAtAnyStepOfTheFirstStartLeavesAStoreThatOpens() async throws {
        try await withTemporaryFolder { folder in
            let loss = try PowerLoss(of: folder.path("store"), gallery: folder.makeFolder("gallery"))
            loss.watch()
            let store = try HeaderStore(folder: folder.path("store")) { $0.files = loss.files }
            let steps = loss.pictures.count
            #expect(steps > 8)
            try await store.put(first)
            for picture in loss.pictures[..<steps] {
                let isThere = try await look(at: picture, maybe: first)
                #expect(!isThere)
            }
            // The names of the store's own folders are safe by then.
            #expect(try await look(at: try #require(loss.pictures.last), maybe: first))
        }
    }

    @Test func aPowerLossAtAnyStepOfABundlesBuildLeavesItToBeBuiltAgain() async throws {
        try await withTemporaryFolder { folder in
            let loss = try PowerLoss(of: folder.path("store"), gallery: folder.makeFolder("gallery"))
            let store = try HeaderStore(folder: folder.path("store")) {
                $0.files = loss.files
                $0.bundleBytes = 1
            }
            try await store.put(first)
            _ = try await store.bundleBytes(first, .tarGzip)
            loss.watch()
            let bundle = try await store.bundleBytes(first, .tarZstd)
            #expect(loss.pictures.count > 5)
            for picture in loss.pictures {
                let store = try HeaderStore(folder: picture)
                try await store.requireNoStrays(in: picture)
                #expect(try await store.bundleBytes(first, .tarZstd) == bundle)
                try store.close()
            }
        }
    }

    @Test func aPowerLossAtAnyStepOfAPCHsWayInLeavesAllOfItOrNothing() async throws {
        let bytes = Array(repeating: UInt8(7), count: 300_000)
        let (key, digest) = (Digest(of: [1]), Digest(of: bytes))
        try await withTemporaryFolder { folder in
            let made = try folder.write(bytes, to: "made.pch")
            let loss = try PowerLoss(of: folder.path("store"), gallery: folder.makeFolder("gallery"))
            let store = try HeaderStore(folder: folder.path("store")) { $0.files = loss.files }
            try await store.put(first)
            loss.watch()
            try await store.publishPCH(
                key, tree: first.manifest.digest, rank: "server", digest: digest, document: "{}", from: made)
            try loss.takePicture()
            #expect(loss.pictures.count > 10)
            for picture in loss.pictures {
                let left = try HeaderStore(folder: picture)
                try await left.requireNoStrays(in: picture)
                try await left.requireWhole(first)
                if let pch = left.pch(key) {
                    var contents = [UInt8](repeating: 0, count: pch.file.length)
                    _ = try contents.withUnsafeMutableBytes { try pch.file.contents.read(at: 0, into: $0) }
                    #expect(contents == bytes)
                }
                try await left.publishPCH(
                    key, tree: first.manifest.digest, rank: "server", digest: digest, document: "{}", from: made)
                #expect(left.pch(key) != nil)
                try await left.requireNoStrays(in: picture)
                try left.close()
            }
        }
    }

    /// That the tests above can fail: on a disk that does not do what it is asked for, what was acknowledged is lost.
    @Test(arguments: [PowerLoss.Lie.fileSync, .directorySync])
    func withoutTheSyncsAKernelIsLost(lie: PowerLoss.Lie) async throws {
        try await withTemporaryFolder { folder in
            let gallery = try folder.makeFolder("gallery")
            let loss = PowerLoss(of: folder.path("store"), gallery: gallery, lies: [lie])
            // Made before: else the folder itself would be lost, and nothing said of the rest.
            try HeaderStore(folder: folder.path("store")).close()
            let store = try HeaderStore(folder: folder.path("store")) { $0.files = loss.files }
            try await store.put(first)
            try loss.takePicture()
            await #expect(throws: (any Error).self) {
                _ = try await look(at: try #require(loss.pictures.last), for: first)
            }
        }
    }

    @Test(arguments: [PowerLoss.Lie.fileSync, .directorySync])
    func withoutTheSyncsBTFIsLost(lie: PowerLoss.Lie) async throws {
        try await withTemporaryFolder { folder in
            let gallery = try folder.makeFolder("gallery")
            let loss = PowerLoss(of: folder.path("store"), gallery: gallery, lies: [lie])
            try HeaderStore(folder: folder.path("store")).close()
            let store = try HeaderStore(folder: folder.path("store")) { $0.files = loss.files }
            try await store.put(btf: SmallBTF.bytes(), of: first.id)
            try loss.takePicture()
            let left = try HeaderStore(folder: try #require(loss.pictures.last))
            await #expect(throws: (any Error).self) { _ = try #require(try await left.btf(of: first.id)) }
        }
    }

    /// Opens what a power loss left.
    ///
    /// - Returns: whether the second kernel is there; if it is not, it can be uploaded again.
    @discardableResult
    private func look(
        at folder: String, for first: StoredKernel? = nil, maybe second: StoredKernel? = nil
    ) async throws -> Bool {
        let store = try HeaderStore(folder: folder)
        defer { try? store.close() }
        try await store.requireNoStrays(in: folder)
        if let first { try await store.requireWhole(first) }
        guard let second else { return false }
        let isThere = try await store.has(second)
        #expect(try await store.put(second).isNew == !isThere)
        try await store.requireWhole(second)
        return isThere
    }
}
