import HeaderStore
import KHeaderTestSupport
import KernelHeaders
import Logging
import OperatorDocuments
import Testing

/// Promise 1: acknowledged is durable. A server of its own process is killed with SIGKILL at every step, before and after
/// each call by which it changes its folder, and the folder opened again.
@Suite struct CrashTests {
    /// Kernels that share most files: the second one's blocks and manifest lean on the first one's.
    private static func kernels() throws -> (first: StoredKernel, second: StoredKernel) {
        (try StoredKernel(id: 1, revision: 1), try StoredKernel(id: 2, revision: 2))
    }

    @Test func aServerKilledAtAnyStepOfAnIngestLosesNothingItAcknowledged() async throws {
        let (first, second) = try Self.kernels()
        try await withTemporaryFolder { folder in
            let base = try await StoreWithKernel(first, in: folder)
            let deaths = try await everyStep { step in
                let state = try base.copy(named: "\(step)")
                let server = try CrashingProcess(["serve", state, "\(step)"])
                let answer = try await server.ask { await $0.put(second) }
                let end = try await server.stop()
                let store = try HeaderStore(folder: state)
                try await store.requireNoStrays(in: state)
                try await store.requireWhole(first)
                #expect(try await store.bundleBytes(first, .tarZstd) == base.bundle)
                let isThere = try await store.has(second)
                if answer?.status == 201 { #expect(isThere, "acknowledged, and lost at step \(end)") }
                #expect(try await store.put(second).isNew == !isThere)
                try await store.requireWhole(second)
                try await store.requireNoStrays(in: state)
                try store.close()
                return end
            }
            expectAllCalls(
                in: deaths, "create", "write", "truncate", "sync", "close", "rename", "syncDirectory", "remove")
        }
    }

    @Test func aServerKilledAtAnyStepOfAnUploadOfBTFLosesNothingItAcknowledged() async throws {
        let (first, second) = try Self.kernels()
        let btf = SmallBTF.bytes(["task_struct"])
        try await withTemporaryFolder { folder in
            let base = try await StoreWithKernel(first, in: folder)
            let deaths = try await everyStep { step in
                let state = try base.copy(named: "\(step)")
                let server = try CrashingProcess(["serve", state, "\(step)"])
                let answer = try await server.ask { await $0.put(btf: btf, of: second.id) }
                let end = try await server.stop()
                let store = try HeaderStore(folder: state)
                try await store.requireNoStrays(in: state)
                try await store.requireWhole(first)
                let isThere = try await store.artefacts(of: second.id).hasBTF
                if answer?.status == 201 { #expect(isThere, "acknowledged, and lost at step \(end)") }
                #expect(try await store.put(btf: btf, of: second.id).isNew == !isThere)
                #expect(try await store.btf(of: second.id)?.bytes == btf)
                try await store.requireNoStrays(in: state)
                try store.close()
                return end
            }
            expectAllCalls(in: deaths, "create", "write", "sync", "close", "rename", "syncDirectory", "remove")
        }
    }

    @Test func aServerKilledAtAnyStepOfADeletionHasAllOfTheKernelOrNothing() async throws {
        let (first, second) = try Self.kernels()
        let btf = SmallBTF.bytes(["task_struct"])
        try await withTemporaryFolder { folder in
            let base = try await StoreWithKernel(first, in: folder)
            let filled = try HeaderStore(folder: base.state)
            try await filled.put(second)
            try await filled.put(btf: btf, of: second.id)
            try filled.close()
            let deaths = try await everyStep { step in
                let state = try base.copy(named: "\(step)")
                let server = try CrashingProcess(["serve", state, "\(step)"])
                let answer = try await server.ask { await $0.delete(second.id) }
                let end = try await server.stop()
                let store = try HeaderStore(folder: state)
                try await store.requireNoStrays(in: state)
                try await store.requireWhole(first)
                let (kernel, hasBTF) = try await store.artefacts(of: second.id)
                #expect((kernel != nil) == hasBTF, "half of it is there after step \(end)")
                if answer?.status == 204 { #expect(kernel == nil, "deleted, and there at step \(end)") }
                if kernel != nil { try await store.requireWhole(second) }
                #expect(try await store.put(second).isNew == (kernel == nil))
                try await store.requireWhole(second)
                try store.close()
                return end
            }
            expectAllCalls(in: deaths, "remove", "syncDirectory")
        }
    }

    /// The catalogue is SQLite's, and has no steps of ours: what is answered is there, and what hosts agreed on as well.
    @Test func aServerKilledAfterItAnsweredSightingsLosesNone() async throws {
        let (first, _) = try Self.kernels()
        let offer = TestSightings.offer(first.archive)
        try await withTemporaryFolder { folder in
            let state = folder.path("state")
            for host in 0..<4 as Range<UInt8> {
                let server = try CrashingProcess(["serve", state, "0"])
                let sighting = TestSightings.sighting(host: host, of: "\(first.id)", offers: [offer])
                #expect(try await server.ask { await $0.post(sighting) }?.status == 200)
                try await server.crash()
                let store = try HeaderStore(folder: state)
                try await store.requireNoStrays(in: state)
                if host == 0 {
                    #expect(try await store.status().hosts == 1)
                    let uploader = TestSightings.sighting(host: 99, of: "\(first.id)", offers: [offer])
                    let claim = try #require(try await store.checkIn(uploader).verdicts.first?.claim)
                    try await store.put(
                        first.archive, as: KernelIdentity(buildID: first.id), origin: .sysfs, claim: claim)
                } else {
                    // Hosts 1 and 2 have the same as host 99.
                    let summary = try await store.kernel(first.id)
                    #expect(summary.hosts == Int(host) + 2)
                    #expect(summary.source == (host == 1 ? .agent : .agreed))
                }
                try store.close()
            }
        }
    }

    @Test func aServerKilledAtAnyStepOfABundlesBuildBuildsItAgain() async throws {
        let (first, second) = try Self.kernels()
        try await withTemporaryFolder { folder in
            let base = try await StoreWithKernel(first, in: folder)
            let target = APIPath.bundle(first.id, .tarGzip)
            let undisturbed = try HeaderStore(folder: try base.copy(named: "undisturbed"))
            let reference = try await undisturbed.bundleBytes(first, .tarGzip)
            let deaths = try await everyStep { step in
                let state = try base.copy(named: "\(step)")
                // With room for one bundle only, the older one has to go.
                let server = try CrashingProcess(["serve", state, "\(step)", "1"])
                try await server.ask { await $0.send("GET \(target) HTTP/1.1\r\nHost: localhost\r\n\r\n") }
                let end = try await server.stop()
                let store = try HeaderStore(folder: state)
                try await store.requireNoStrays(in: state)
                #expect(try await store.bundleBytes(first, .tarGzip) == reference)
                #expect(try await store.bundleBytes(first, .tarZstd) == base.bundle)
                #expect(try await store.put(second).isNew)
                try await store.requireNoStrays(in: state)
                try store.close()
                return end
            }
            expectAllCalls(in: deaths, "create", "write", "sync", "close", "rename", "remove")
        }
    }

    @Test func aServerKilledAtAnyStepOfItsFirstStartStartsAgain() async throws {
        let (first, _) = try Self.kernels()
        try await withTemporaryFolder { folder in
            let deaths = try await everyStep { step in
                let state = folder.path("\(step)")
                let end = try await CrashingProcess(["start", state, "\(step)"]).startAndStop()
                let store = try HeaderStore(folder: state)
                try await store.requireNoStrays(in: state)
                #expect(try await store.put(first).isNew)
                try await store.requireWhole(first)
                try store.close()
                return end
            }
            expectAllCalls(in: deaths, "makeDirectory", "create", "write", "sync", "rename", "syncDirectory")
        }
    }

    @Test func aServerKilledAtAnyStepOfItsRecoveryRecoversTheNextTime() async throws {
        let (first, second) = try Self.kernels()
        try await withTemporaryFolder { folder in
            let base = try await StoreWithKernel(first, in: folder)
            try base.leaveRemains()
            let deaths = try await everyStep { step in
                let state = try base.copy(named: "\(step)")
                let end = try await CrashingProcess(["start", state, "\(step)"]).startAndStop()
                let store = try HeaderStore(folder: state)
                try await store.requireNoStrays(in: state)
                try await store.requireWhole(first)
                #expect(try await store.put(second).isNew)
                try store.close()
                return end
            }
            expectAllCalls(in: deaths, "makeDirectory", "remove")
        }
    }

    @Test func aRebuildKilledAtAnyStepLosesNothing() async throws {
        let (first, second) = try Self.kernels()
        try await withTemporaryFolder { folder in
            let base = try await StoreWithKernel(first, in: folder)
            let btf = SmallBTF.bytes()
            let store = try HeaderStore(folder: base.state)
            try await store.put(btf: btf, of: second.id)
            try store.close()
            // As a crash leaves it: the second kernel is in the catalogue's journal, and nowhere else.
            let server = try CrashingProcess(["serve", base.state, "0"])
            #expect(try await server.ask { await $0.put(second) }?.status == 201)
            try await server.crash()
            let deaths = try await everyStep { step in
                let state = try base.copy(named: "\(step)")
                let end = try await CrashingProcess(["rebuild", state, "\(step)"]).end()
                let store: HeaderStore
                do {
                    store = try HeaderStore(folder: state)
                } catch let error as StoreOpenError {
                    #expect("\(error)".contains("kheaderd rebuild"))
                    let report = try CatalogueRebuild(
                        folder: state, logger: .silent
                    ).run()
                    #expect(report.kernels == 2)
                    store = try HeaderStore(folder: state)
                }
                try await store.requireNoStrays(in: state)
                try await store.requireWhole(first)
                try await store.requireWhole(second)
                #expect(try await store.btf(of: second.id)?.bytes == btf)
                try store.close()
                return end
            }
            expectAllCalls(in: deaths, "rename", "remove", "syncDirectory")
        }
    }
}
