import GRDB
import HeaderArchive
import KHeaderTestSupport
import KernelHeaders
import OperatorDocuments
import Testing

@testable import HeaderStore

/// What is known of kernels in memory is what the catalogue has, behind whatever changes it.
@Suite struct KernelIndexTests {
    private let kernels: [StoredKernel]
    /// Other headers of the same kernels.
    private let others: [StoredKernel]

    init() throws {
        kernels = try (1...3).map { try StoredKernel(id: $0, revision: 1) }
        others = try (1...3).map { try StoredKernel(id: $0, revision: 2) }
    }

    /// The catalogue's word for it.
    private func standing(of id: BuildID, in store: HeaderStore) async throws -> KernelIndex.Standing {
        try await store.catalogue.pool.read { [catalogue = store.catalogue] in
            guard let entry = try catalogue.kernel(id, $0)?.entry else { return .unknown }
            return entry.headers.map { .headers(tree: $0.treeDigest) } ?? .withoutHeaders
        }
    }

    private func requireCurrent(_ store: HeaderStore, _ what: String) async throws {
        for kernel in kernels {
            #expect(try await store.index.standing(of: kernel.id) == standing(of: kernel.id, in: store), "\(what)")
            let (tree, summary) = await (
                outcome { try await store.tree(of: kernel.id) },
                outcome {
                    try await store.kernel(kernel.id).treeDigest
                }
            )
            #expect(tree == summary, "\(what)")
        }
    }

    private enum Outcome: Equatable {
        case tree(KernelHeaders.Digest)
        case refused(Problem)
        case failed(String)
    }

    private func outcome(_ body: () async throws -> KernelHeaders.Digest) async -> Outcome {
        do {
            return .tree(try await body())
        } catch let problem as Problem {
            return .refused(problem)
        } catch {
            return .failed("\(error)")
        }
    }

    private func withStore(_ body: (_ store: HeaderStore, _ state: String) async throws -> Void) async throws {
        try await withTemporaryFolder { folder in
            let state = folder.path("store")
            try await body(try HeaderStore(folder: state), state)
        }
    }

    private func sighting(_ host: UInt8, of id: BuildID, _ step: CollectStep.Outcome = .usable) throws -> Sighting {
        Sighting(
            host: try #require(HostID(bytes: [UInt8](repeating: host, count: HostID.length))), bootID: "1",
            agent: "test/1", kernel: KernelIdentity(buildID: id), steps: [CollectStep(.sysfs, step)], offers: [])
    }

    @Test func itIsRightBehindEachStepOfAKernelsLife() async throws {
        try await withStore { store, state in
            let kernel = kernels[0]
            #expect(store.index.standing(of: kernel.id) == .unknown)
            _ = try await store.checkIn(try sighting(1, of: kernel.id))
            #expect(store.index.standing(of: kernel.id) == .withoutHeaders)
            try await store.put(kernel)
            #expect(store.index.standing(of: kernel.id) == .headers(tree: kernel.manifest.digest))
            await #expect(throws: Problem.self) { try await store.put(others[0]) }
            #expect(store.index.standing(of: kernel.id) == .headers(tree: kernel.manifest.digest))
            try await store.purge(kernel.id)
            #expect(store.index.standing(of: kernel.id) == .withoutHeaders)
            try await store.put(others[0])
            #expect(store.index.standing(of: kernel.id) == .headers(tree: others[0].manifest.digest))
            try await store.put(btf: SmallBTF.bytes(), of: kernels[1].id)
            #expect(store.index.standing(of: kernels[1].id) == .withoutHeaders)
            try await requireCurrent(store, "running")
            try store.close()

            let reopened = try HeaderStore(folder: state)
            #expect(reopened.index.standing(of: kernel.id) == .headers(tree: others[0].manifest.digest))
            try await requireCurrent(reopened, "reopened")
            try reopened.close()
            _ = try CatalogueRebuild(folder: state, logger: .silent).run()
            let rebuilt = try HeaderStore(folder: state)
            try await requireCurrent(rebuilt, "rebuilt")
            try rebuilt.close()
        }
    }

    @Test func itIsRightBehindWhateverHappens() async throws {
        try await withStore { store, _ in
            var random = SeededGenerator(seed: "KernelIndexTests")
            for number in 0..<150 {
                let index = Int.random(in: 0..<kernels.count, using: &random)
                let id = kernels[index].id
                let what = Int.random(in: 0..<9, using: &random)
                // Some are refused; that may change nothing, either.
                switch what {
                case 0: _ = try? await store.put(kernels[index])
                case 1: _ = try? await store.put(others[index])
                case 2, 3: try? await store.purge(id)
                case 4: _ = try? await store.put(btf: SmallBTF.bytes(), of: id)
                case 5:
                    _ = try await store.checkIn(
                        try sighting(UInt8(number), of: id, number % 2 == 0 ? .usable : .missing))
                case 6: _ = try? await store.pin(id)
                case 7: try? await store.unpin(id)
                default: _ = try await store.collect()
                }
                try await requireCurrent(store, "step \(number), which was \(what)")
            }
            try store.close()
        }
    }

    private struct Undone: Error {}

    @Test func whatIsRolledBackNeverWas() async throws {
        try await withStore { store, _ in
            try await store.put(kernels[0])
            for isWhole in [true, false] {
                let change = { (database: Database) throws in
                    try store.catalogue.purge(kernels[0].id, KernelMark(time: 0, reason: nil), database)
                    try store.catalogue.btfCame(kernels[1].id, at: 0, database)
                    throw Undone()
                }
                if isWhole {
                    #expect(throws: Undone.self) { try store.catalogue.write(change) }
                } else {
                    // A part of a transaction.
                    try store.catalogue.write { database in
                        #expect(throws: Undone.self) {
                            try database.inSavepoint {
                                try change(database)
                                return .commit
                            }
                        }
                        try store.catalogue.btfCame(kernels[2].id, at: 0, database)
                    }
                }
                #expect(store.index.standing(of: kernels[0].id) == .headers(tree: kernels[0].manifest.digest))
                #expect(store.index.standing(of: kernels[1].id) == .unknown)
                #expect(store.index.standing(of: kernels[2].id) == (isWhole ? .unknown : .withoutHeaders))
                try await requireCurrent(store, "rolled back")
            }
            try store.close()
        }
    }

    @Test func rowsThatGoAreForgotten() async throws {
        try await withStore { store, _ in
            try await store.put(btf: SmallBTF.bytes(), of: kernels[0].id)
            try await store.put(kernels[1])
            try store.catalogue.write { try $0.execute(sql: "DELETE FROM sighted WHERE trust IS NULL") }
            #expect(store.index.standing(of: kernels[0].id) == .unknown)
            #expect(store.index.standing(of: kernels[1].id) == .headers(tree: kernels[1].manifest.digest))
            try store.close()
        }
    }

    @Test func whatCouldNotBeReadIsAskedOfTheCatalogue() async throws {
        try await withStore { store, _ in
            let touch = "UPDATE sighted SET trust = trust"
            try await store.put(kernels[0])
            try store.catalogue.write { try $0.execute(sql: "ALTER TABLE tree RENAME TO elsewhere; \(touch)") }
            try store.catalogue.write { try $0.execute(sql: "ALTER TABLE elsewhere RENAME TO tree") }
            #expect(store.index.standing(of: kernels[0].id) == nil)
            #expect(store.index.standing(of: kernels[1].id) == nil)
            #expect(try await store.tree(of: kernels[0].id) == kernels[0].manifest.digest)
            let problem = await #expect(throws: Problem.self) { _ = try await store.tree(of: kernels[1].id) }
            #expect(problem?.code == .kernelUnknown)
            try store.catalogue.write { try $0.execute(sql: touch) }
            try await requireCurrent(store, "read again")
            try store.close()
        }
    }
}
