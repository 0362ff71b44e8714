import GRDB
import HeaderArchive
import KHeaderTestSupport
import KernelHeaders
import OperatorDocuments
import Synchronization
import Testing

@testable import HeaderStore

/// Kernels that operators pin and delete, and what stays of them.
@Suite struct KernelPurgeTests {
    private let kernel: StoredKernel
    private let other: StoredKernel
    private let btf = SmallBTF.bytes()

    init() throws {
        kernel = try StoredKernel(id: 1, revision: 1)
        other = try StoredKernel(id: 2, revision: 2)
    }

    private func withStore<Value>(
        _ body: (_ store: HeaderStore, _ state: String) async throws -> Value
    ) async throws -> Value {
        try await withTemporaryFolder { folder in
            let state = folder.path("store")
            return try await body(try HeaderStore(folder: state) { $0.now = { 1_800_000_000 } }, state)
        }
    }

    private func code<Value>(_ body: () async throws -> Value) async -> ProblemCode? {
        do {
            _ = try await body()
            return nil
        } catch {
            return (error as? Problem)?.code
        }
    }

    private func sighting(_ host: UInt8, _ offers: [ArtefactOffer] = []) throws -> Sighting {
        Sighting(
            host: try #require(HostID(bytes: [UInt8](repeating: host, count: HostID.length))), bootID: "1",
            agent: "test/1",
            kernel: KernelIdentity(buildID: kernel.id, release: "6.1.0"), steps: [CollectStep(.sysfs, .usable)],
            offers: offers)
    }

    @Test func aPinnedKernelIsNotDeleted() async throws {
        try await withStore { store, state in
            #expect(await code { try await store.pin(kernel.id) } == .kernelUnknown)
            try await store.put(kernel)
            #expect(
                try await store.pin(kernel.id, reason: "golden").entry.pin
                    == KernelMark(time: 1_800_000_000, reason: "golden"))
            #expect(try await store.pin(kernel.id, reason: "another").entry.pin?.reason == "another")
            #expect(await code { try await store.purge(kernel.id) } == .kernelPinned)
            try await store.requireWhole(kernel)
            try store.close()

            _ = try CatalogueRebuild(folder: state, logger: .silent).run()
            let rebuilt = try HeaderStore(folder: state)
            #expect(try await rebuilt.detail(of: kernel.id).entry.pin?.reason == "another")
            #expect(await code { try await rebuilt.purge(kernel.id) } == .kernelPinned)
            try await rebuilt.unpin(kernel.id)
            try await rebuilt.unpin(kernel.id)
            try await rebuilt.purge(kernel.id)
            #expect(await code { try await rebuilt.kernel(kernel.id) } == .kernelPurged)
            #expect(await code { try await rebuilt.pin(kernel.id) } == .kernelPurged)
            #expect(await code { try await rebuilt.unpin(kernel.id) } == .kernelPurged)
            #expect(await code { try await rebuilt.purge(kernel.id) } == .kernelPurged)
            try rebuilt.close()
        }
    }

    @Test func aDeletedKernelIsRememberedAndOthersAreUntouched() async throws {
        try await withStore { store, state in
            try await store.put(kernel, release: "6.1.0-1")
            try await store.put(other, release: "6.1.0-2")
            try await store.put(btf: btf, of: kernel.id)
            try await store.put(btf: btf, of: other.id)
            try await store.purge(kernel.id, reason: "wrong headers")
            func check(_ store: HeaderStore) async throws {
                let problem = await #expect(throws: Problem.self) { try await store.kernel(kernel.id) }
                #expect(problem?.code == .kernelPurged && problem?.detail.contains("(wrong headers)") == true)
                #expect(await code { try await store.detail(of: kernel.id) } == .kernelPurged)
                #expect(await code { try await store.btf(of: kernel.id) } == .kernelPurged)
                #expect(try await store.artefacts(of: kernel.id).kernel == nil)
                #expect(try await store.artefacts(of: kernel.id).hasBTF == false)
                #expect(try await store.kernels(KernelQuery()).kernels.map(\.identity.buildID) == [other.id])
                var purged = KernelQuery()
                purged.isPurged = true
                #expect(try await store.kernels(purged).kernels.map(\.purge?.reason) == ["wrong headers"])
                let status = try await store.status()
                #expect(status.kernels == 1 && status.btfKernels == 1)
                try await store.requireWhole(other)
                #expect(try await store.btf(of: other.id)?.bytes == btf)
                try await store.requireNoStrays(in: state)
            }
            try await check(store)
            try store.close()
            let reopened = try HeaderStore(folder: state)
            try await check(reopened)
            try reopened.close()
            #expect(try CatalogueRebuild(folder: state, logger: .silent).run().kernels == 1)
            let rebuilt = try HeaderStore(folder: state)
            try await check(rebuilt)
            try rebuilt.close()
        }
    }

    /// Its first pack, which is there still, and the later one say different things of it.
    @Test func aDeletedKernelComesBackAndStaysBack() async throws {
        try await withTemporaryFolder { folder in
            let state = folder.path("store")
            let clock = Mutex(1_800_000_000)
            let store = try HeaderStore(folder: state) { $0.now = { clock.withLock { $0 } } }
            try await store.put(kernel, source: .push)
            try await store.put(other)
            try await store.purge(kernel.id)
            clock.withLock { $0 += 100 }
            #expect(try await store.put(kernel, source: .import).isNew)
            // Once more, in the same second: its pack has the same bytes.
            try await store.purge(kernel.id)
            #expect(try await store.put(kernel, source: .import).isNew)
            func check(_ store: HeaderStore) async throws {
                let entry = try await store.detail(of: kernel.id).entry
                #expect(entry.purge == nil && entry.headers?.source == .import)
                try await store.requireWhole(kernel)
                try await store.requireWhole(other)
                try await store.requireNoStrays(in: state)
            }
            try await check(store)
            try store.close()
            let report = try CatalogueRebuild(folder: state, logger: .silent).run()
            #expect(report.kernels == 2 && report.unusedPacks.isEmpty)
            let rebuilt = try HeaderStore(folder: state)
            try await check(rebuilt)
            try rebuilt.close()
        }
    }

    @Test func aHostThatRunsADeletedKernelIsAskedToUploadItAgain() async throws {
        let offer = ArtefactOffer(
            .headers, origin: .sysfs, bytes: kernel.archive.count, digest: SHA256Hash.digest(of: kernel.archive))
        try await withStore { store, state in
            let claim = try #require(try await store.checkIn(try sighting(1, [offer])).verdicts.first?.claim)
            try await store.put(kernel.archive, as: KernelIdentity(buildID: kernel.id), origin: .sysfs, claim: claim)
            for host in [2, 3] as [UInt8] {
                #expect(try await store.checkIn(try sighting(host, [offer])).verdicts.first?.answer == .have)
            }
            #expect(try await store.kernel(kernel.id).source == .agreed)
            try await store.purge(kernel.id)
            // Hosts run it: that something is missing stays to be seen.
            #expect(try await store.kernels(KernelQuery()).kernels.map(\.hosts) == [3])
            #expect(try await store.detail(of: kernel.id).absence?.contains("was deleted") == true)
            let again = try #require(try await store.checkIn(try sighting(2, [offer])).verdicts.first)
            #expect(again.answer == .upload && again.reason == .first)
            try await store.put(
                kernel.archive, as: KernelIdentity(buildID: kernel.id), origin: .sysfs, claim: again.claim)
            // What hosts said of what was there before does not count.
            #expect(try await store.kernel(kernel.id).source == .agent)
            #expect(try await store.detail(of: kernel.id).entry.purge == nil)
            try store.close()
        }
    }

    @Test func btfAloneBringsAKernelBack() async throws {
        try await withStore { store, state in
            try await store.put(btf: btf, of: kernel.id)
            #expect(try await store.kernels(KernelQuery()).kernels.map(\.btfBytes) == [btf.count])
            try await store.purge(kernel.id)
            #expect(try await store.put(btf: btf, of: kernel.id).isNew)
            #expect(await code { try await store.kernel(kernel.id) } == .kernelHasNoHeaders)
            var query = KernelQuery()
            query.hasBTF = true
            #expect(try await store.kernels(query).kernels.map(\.identity.buildID) == [kernel.id])
            try await store.requireNoStrays(in: state)
            try store.close()
        }
    }

    /// What a store's folder has of BTF counts, whatever its catalogue says.
    @Test func btfThatComesAndGoesUnseenIsSeenAtTheStart() async throws {
        try await withStore { store, state in
            try await store.put(btf: btf, of: kernel.id)
            try await store.put(btf: btf, of: other.id)
            try store.close()
            let names = try FolderListing.names(in: "\(state)/btf").sorted()
            try PosixFileSystem().remove("\(state)/btf/\(names[0])")
            let pool = try DatabasePool(path: "\(state)/catalogue.sqlite")
            try await pool.write {
                try $0.execute(sql: "UPDATE sighted SET btf = 0 WHERE buildID = ?", arguments: [other.id])
            }
            try pool.close()
            let reopened = try HeaderStore(folder: state)
            var query = KernelQuery()
            query.hasBTF = true
            #expect(try await reopened.kernels(query).kernels.map(\.identity.buildID) == [other.id])
            try reopened.close()
        }
    }

    /// BTF that was uploaded after its kernel was deleted is not deleted with it when the catalogue of then is restored; BTF
    /// whose removal a crash has interrupted is.
    @Test(arguments: [false, true]) func btfBesideACatalogueThatKnowsItAsDeleted(isInterrupted: Bool) async throws {
        try await withTemporaryFolder { folder in
            let state = folder.path("store")
            var store = try HeaderStore(folder: state)
            try await store.put(btf: SmallBTF.bytes(), of: other.id)
            let name = try #require(try FolderListing.names(in: "\(state)/btf").first)
            try await store.purge(other.id)
            if isInterrupted {
                try store.catalogue.write { try store.catalogue.setDoomed(true, btf: name, $0) }
            }
            try store.close()
            let backup = try FileSource(path: "\(state)/catalogue.sqlite").readAll()
            store = try HeaderStore(folder: state)
            try await store.put(btf: SmallBTF.bytes(), of: other.id)
            try store.close()
            try TemporaryFolder.write(backup, to: "\(state)/catalogue.sqlite")
            store = try HeaderStore(folder: state)
            let bytes = isInterrupted ? nil : SmallBTF.bytes()
            #expect(try await store.artefacts(of: other.id).hasBTF == !isInterrupted)
            #expect(try FolderListing.names(in: "\(state)/btf") == (isInterrupted ? [] : [name]))
            if !isInterrupted { #expect(try await store.btf(of: other.id)?.bytes == bytes) }
            // What was to go is gone: the same BTF may come again, and stays.
            try await store.put(btf: SmallBTF.bytes(), of: other.id)
            try store.close()
            store = try HeaderStore(folder: state)
            #expect(try await store.btf(of: other.id)?.bytes == SmallBTF.bytes())
            try store.close()
        }
    }

    /// A catalogue as it was before migration 4 has what it knew in the list.
    @Test func anOlderCatalogueIsTakenOver() throws {
        try withTemporaryFolder { folder in
            let path = folder.path("old.sqlite")
            let id = kernel.id
            do {
                let pool = try DatabasePool(path: path)
                try CatalogueSchema.migrator.migrate(pool, upTo: "3: precompiled headers")
                try pool.write { database in
                    try database.execute(
                        sql: """
                            INSERT INTO pack (id, digest, bytes, blobs) VALUES (1, x'00', 0, 0);
                            INSERT INTO tree (id, digest, files, bytes, pack, offset, compressedLength, rawLength, depth)
                                VALUES (1, CAST(printf('%032d', 1) AS BLOB), 6, 45, 1, 0, 0, 0, 0);
                            """)
                    for (id, release) in [(id, "6.1.0-1-amd64"), (other.id, "")] {
                        try database.execute(
                            sql: """
                                INSERT INTO kernel (buildID, release, source, tree, archiveDigest, firstSeen, lastSeen)
                                VALUES (?, ?, 'agreed', 1, ?, 10, 20)
                                """, arguments: [id, release, Digest(of: [])])
                    }
                    try database.execute(
                        sql: """
                            INSERT INTO sighted (buildID, release, firstSeen, lastSeen, hosts) VALUES (?, NULL, 5, 30, 3);
                            INSERT INTO sighted (buildID, release, firstSeen, lastSeen, hosts) VALUES (x'0c', '6.2-generic', 7, 8, 1);
                            INSERT INTO conflict (buildID, treeDigest, source, firstSeen, lastSeen, uploads)
                                VALUES (?, x'00', 'push', 1, 1, 1);
                            """, arguments: [id, id])
                }
                try pool.close()
            }
            let catalogue = try Catalogue(path: path)
            let page = try catalogue.pool.read {
                try catalogue.kernels(KernelQuery(), headersFolder: nil, after: nil, limit: 9, $0)
            }
            let kernels = page.rows.map(\.entry)
            #expect(kernels.map(\.identity.release) == [nil, "6.1.0-1-amd64", "6.2-generic"])
            #expect(kernels.map(\.headers?.source) == [.agreed, .agreed, nil])
            #expect(kernels.map(\.distribution) == [nil, "debian", "ubuntu"])
            #expect(kernels.map(\.conflicts) == [0, 1, 0] && kernels.map(\.hosts) == [0, 3, 1])
            #expect(kernels.map(\.firstSeen) == [10, 5, 7] && kernels.map(\.lastSeen) == [20, 30, 8])
        }
    }

    /// One that knew of damage, before kernels did.
    @Test func anOlderCataloguesDamageIsTakenOver() throws {
        try withTemporaryFolder { folder in
            let path = folder.path("old.sqlite")
            do {
                let pool = try DatabasePool(path: path)
                try CatalogueSchema.migrator.migrate(pool, upTo: "6: totals; conflicts that hosts took back")
                try pool.write { database in
                    try database.execute(sql: "INSERT INTO pack (id, digest, bytes, blobs) VALUES (1, x'00', 0, 0)")
                    for (number, id) in [kernel.id, other.id].enumerated() {
                        try database.execute(
                            sql: """
                                INSERT INTO tree (id, digest, files, bytes, pack, offset, compressedLength, rawLength, depth, damaged)
                                    VALUES (?, ?, 6, 45, 1, 0, 0, 0, 0, ?);
                                """, arguments: [number + 1, Digest(of: [UInt8(number)]), number])
                        try database.execute(
                            sql: """
                                INSERT INTO kernel (buildID, release, source, tree, archiveDigest, firstSeen, lastSeen)
                                    VALUES (?, '6.1', 'push', ?, x'00', 1, 2)
                                """, arguments: [id, number + 1])
                    }
                }
                try pool.close()
            }
            let catalogue = try Catalogue(path: path)
            func damaged() throws -> [BuildID] {
                var query = KernelQuery()
                query.isDamaged = true
                return try catalogue.pool.read { database in
                    try catalogue.kernels(query, headersFolder: nil, after: nil, limit: 9, database).rows
                        .map(\.entry.identity.buildID)
                }
            }
            #expect(try damaged() == [other.id])
            // Triggers keep it.
            try catalogue.write { try catalogue.set(.none, ofTrees: [2], $0) }
            #expect(try damaged() == [])
            try catalogue.write { try catalogue.set(.manifest, ofTrees: [1], $0) }
            #expect(try damaged() == [kernel.id])
        }
    }

    /// Of a PCH, the list knows whether there is one, whichever came first, and whatever kernel has the tree.
    @Test func theListFollowsPCHs() async throws {
        let twin = try StoredKernel(id: 3, revision: 1)
        try await withStore { store, state in
            func having() async throws -> [BuildID] {
                var query = KernelQuery()
                query.hasPCH = true
                return try await store.kernels(query).kernels.map(\.identity.buildID)
            }
            try await store.put(kernel)
            try await store.put(other)
            #expect(try await having().isEmpty)
            try store.catalogue.write { database in
                try database.execute(
                    sql: """
                        INSERT INTO pch (key, treeDigest, rank, digest, bytes, zstdDigest, zstdBytes, document)
                        VALUES (x'01', ?, 'builder', ?, 10, ?, 3, json_object('toolchain', ?, 'profileName', 'bpf', 'umbrella',
                            'sched'))
                        """,
                    arguments: [kernel.manifest.digest, Digest(of: []), Digest(of: [1]), "\(Digest(of: [2]))"])
            }
            #expect(try await having() == [kernel.id])
            try await store.put(twin)
            #expect(Set(try await having()) == [kernel.id, twin.id])
            let artefact = try #require(try await store.detail(of: twin.id).artefacts.last)
            #expect(artefact.kind == .pch && artefact.bytes == 10 && artefact.storedBytes == 13)
            #expect(artefact.path == "/buildid/\(twin.id)/pch/\(Digest(of: [2]))/bpf/sched?rank=builder")
            try store.catalogue.write { try $0.execute(sql: "DELETE FROM pch") }
            #expect(try await having().isEmpty)
            try store.close()
        }
    }
}
