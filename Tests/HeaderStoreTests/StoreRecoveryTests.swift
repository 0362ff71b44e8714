import GRDB
import HeaderArchive
import KHeaderTestSupport
import KernelHeaders
import OperatorDocuments
import Testing

@testable import HeaderStore

/// What a crash leaves, and what a careless hand takes; the crash itself is in `CrashTests`.
@Suite struct StoreRecoveryTests {
    private let kernel: StoredKernel

    init() throws { kernel = try StoredKernel(id: 1, revision: 1) }

    @Test func whatNothingRefersToIsRemoved() async throws {
        try await withStore { folder, state in
            let digest = Digest(of: [1])
            for name in [
                "staging/1-upload", "staging/2-catalogue", "packs/\(digest).khpack",
                "bundles/\(digest).tar", "bundles/\(kernel.manifest.digest).tar.gz", "bundles/notes.txt",
            ] { try folder.write([1, 2, 3], to: "store/\(name)") }
            let store = try HeaderStore(folder: state)
            try await store.requireNoStrays(in: state)
            try await store.requireWhole(kernel)
        }
    }

    /// Those of a catalogue older than the packs, as from a backup: all that is left of acknowledged kernels.
    @Test func morePacksThanACrashLeavesAreNotTouched() async throws {
        try await withStore { folder, state in
            for byte in [UInt8(1), 2] { try folder.write([byte], to: "store/packs/\(Digest(of: [byte])).khpack") }
            let packs = folder.names(in: "store/packs")
            let error = #expect(throws: StoreOpenError.self) { try HeaderStore(folder: state) }
            #expect(error?.description.contains("kheaderd rebuild --state \(state)") == true)
            #expect(folder.names(in: "store/packs") == packs)
        }
    }

    /// A transaction that failed may be on disk after a crash, and its pack has to be there; but never two such packs.
    @Test func uploadsThatTheCatalogueDidNotTakeLeaveOnePackAtMost() async throws {
        let later = try (2...6).map { try StoredKernel(id: UInt8($0), revision: $0) }
        try await withStore { folder, state in
            var store = try HeaderStore(folder: state)
            func refuse(_ table: String) async throws {
                try await store.catalogue.pool.write {
                    try $0.execute(
                        sql: "CREATE TRIGGER no_\(table) BEFORE INSERT ON \(table) BEGIN SELECT RAISE(ABORT, 'no'); END"
                    )
                }
            }
            func allow(_ table: String) async throws {
                try await store.catalogue.pool.write { try $0.execute(sql: "DROP TRIGGER no_\(table)") }
            }
            try await refuse("pack")
            var left: [[String]] = []
            for kernel in later[0...1] {
                await #expect(throws: DatabaseError.self) { try await store.put(kernel) }
                left.append(folder.names(in: "store/packs"))
            }
            // The second found that the first can't come back.
            #expect(left.map(\.count) == [2, 2] && left[0] != left[1])
            // Nor is another written, or the one that is there removed, as long as that can't be told.
            try await refuse("upkeep")
            await #expect(throws: DatabaseError.self) { try await store.put(later[2]) }
            #expect(store.collector.begin())
            #expect(throws: DatabaseError.self) { try store.collector.run() }
            #expect(folder.names(in: "store/packs") == left[1])
            try await allow("upkeep")
            try await allow("pack")
            try await store.put(later[3])
            try await store.requireNoStrays(in: state)
            try await refuse("pack")
            for kernel in later[0...1] {
                await #expect(throws: DatabaseError.self) { try await store.put(kernel) }
            }
            try await allow("pack")
            try store.close()
            store = try HeaderStore(folder: state)
            try await store.requireNoStrays(in: state)
            for kernel in later { try await store.put(kernel) }
            for kernel in [self.kernel] + later { try await store.requireWhole(kernel) }
            try store.close()
        }
    }

    @Test func aFileThatIsNoPackIsNotOurs() async throws {
        try await withStore { folder, state in
            try folder.write([1], to: "store/packs/notes.txt")
            let store = try HeaderStore(folder: state)
            try store.close()
            #expect(folder.names(in: "store/packs").contains("notes.txt"))
        }
    }

    @Test func aBundleThatIsShorterThanItWasIsForgotten() async throws {
        try await withStore { folder, state in
            let path = "store/bundles/\(kernel.manifest.digest).tar.zst"
            let bytes = try folder.read(path)
            try folder.write(bytes.dropLast(), to: path)
            let store = try HeaderStore(folder: state)
            #expect(try await store.status().bundleBytes == 0)
            try await store.requireNoStrays(in: state)
            #expect(try await store.bundleBytes(kernel, .tarZstd) == bytes)
        }
    }

    @Test func aBundleThatIsGoneIsForgotten() async throws {
        try await withStore { folder, state in
            try PosixFileSystem().remove(folder.path("store/bundles/\(kernel.manifest.digest).tar.zst"))
            let store = try HeaderStore(folder: state)
            #expect(try await store.status().bundleBytes == 0)
            try await store.requireWhole(kernel)
        }
    }

    @Test func aFileThatIsNoPackIsNotTouched() async throws {
        try await withStore { folder, state in
            try folder.write([1, 2, 3], to: "store/packs/notes.txt")
            let store = try HeaderStore(folder: state)
            try await store.requireWhole(kernel)
            #expect(try folder.read("store/packs/notes.txt") == [1, 2, 3])
        }
    }

    /// A crash leaves one pack without a row; several are those of a catalogue from a backup.
    @Test func packsThatAnOlderCatalogueDoesNotKnowAreNotTouched() async throws {
        let later = try [2, 3].map { try StoredKernel(id: UInt8($0), revision: $0) }
        try await withStore { folder, state in
            let backup = try folder.read("store/catalogue.sqlite")
            let store = try HeaderStore(folder: state)
            for kernel in later { try await store.put(kernel) }
            try store.close()
            try folder.write(backup, to: "store/catalogue.sqlite")
            let error = #expect(throws: StoreOpenError.self) { try HeaderStore(folder: state) }
            #expect(error?.description.contains("2 packs") == true)
            #expect(error?.description.contains("kheaderd rebuild --state \(state)") == true)
            #expect(try CatalogueRebuild(folder: state, logger: .silent).run().kernels == 3)
            let rebuilt = try HeaderStore(folder: state)
            for kernel in [kernel] + later { try await rebuilt.requireWhole(kernel) }
        }
    }

    /// With an empty catalogue every pack would look as if it had never been acknowledged.
    @Test(arguments: [true, false])
    func packsWithoutACatalogueAreNotTouched(isGone: Bool) async throws {
        try await withStore { folder, state in
            try PosixFileSystem().remove("\(state)/catalogue.sqlite")
            // An empty file is an empty database to SQLite.
            if !isGone { try folder.write([], to: "store/catalogue.sqlite") }
            let packs = folder.names(in: "store/packs")
            let error = #expect(throws: StoreOpenError.self) { try HeaderStore(folder: state) }
            #expect(
                error?.description
                    == "\(state) has 1 packs and no catalogue. Make it again: kheaderd rebuild --state \(state)")
            #expect(folder.names(in: "store/packs") == packs)
            #expect(try CatalogueRebuild(folder: state, logger: .silent).run().kernels == 1)
            let store = try HeaderStore(folder: state)
            try await store.requireWhole(kernel)
        }
    }

    @Test func aCatalogueThatIsNoneIsRefused() async throws {
        try await withStore { folder, state in
            try folder.write([UInt8](repeating: 0x41, count: 8192), to: "store/catalogue.sqlite")
            #expect(throws: (any Error).self) { try HeaderStore(folder: state) }
            #expect(folder.names(in: "store/packs").count == 1)
            #expect(try CatalogueRebuild(folder: state, logger: .silent).run().kernels == 1)
            let store = try HeaderStore(folder: state)
            try await store.requireWhole(kernel)
        }
    }

    /// A store with a kernel and its `tar.zst`, closed.
    private func withStore(_ body: (TemporaryFolder, _ state: String) async throws -> Void) async throws {
        try await withTemporaryFolder { folder in
            let store = try HeaderStore(folder: folder.path("store"))
            try await store.put(kernel)
            _ = try await store.bundleBytes(kernel, .tarZstd)
            try store.close()
            try await body(folder, folder.path("store"))
        }
    }
}
