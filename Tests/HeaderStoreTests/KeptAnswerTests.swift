import GRDB
import HeaderArchive
import KHeaderTestSupport
import KernelHeaders
import OperatorDocuments
import Synchronization
import Testing

@testable import HeaderStore

/// Reports that say nothing new, answered at once: with what, and what ends it.
@Suite struct KeptAnswerTests {
    private let kernel: StoredKernel
    private let other: StoredKernel
    private static let btf = SmallBTF.bytes()

    init() throws {
        kernel = try StoredKernel(id: 1, revision: 1)
        other = try StoredKernel(id: 2, revision: 2)
    }

    private func sighting(_ host: Int, boot: String = "1", _ offers: [ArtefactOffer]) -> Sighting {
        Sighting(
            host: UploadClaimsTests.host(host), bootID: boot, agent: "test/1",
            kernel: KernelIdentity(buildID: kernel.id), steps: [CollectStep(.sysfs, .usable)], offers: offers)
    }

    /// Of the kernel's own archive.
    private static func offer(_ archive: [UInt8]?) -> ArtefactOffer {
        ArtefactOffer(.headers, origin: .sysfs, bytes: archive?.count, digest: archive.map { .init(of: $0) })
    }

    private func digest(_ sighting: Sighting) -> KernelHeaders.Digest { .init(of: sighting.json.bytes) }

    @discardableResult
    private func report(_ sighting: Sighting, to store: HeaderStore) async throws -> SightingAnswer {
        try await store.checkIn(sighting, sentAs: digest(sighting))
    }

    private func kept(_ sighting: Sighting, _ store: HeaderStore) -> SightingAnswer? {
        store.keptAnswer(toReport: digest(sighting), kernel: sighting.kernel.buildID)?.answer
    }

    /// Runs a body with a store that has a kernel's headers, a host's, and its BTF.
    private func withStore(
        _ change: (inout HeaderStore.Options) -> Void = { _ in },
        _ body: (_ store: HeaderStore, _ state: String) async throws -> Void
    ) async throws {
        try await withTemporaryFolder { folder in
            let state = folder.path("store")
            let store = try HeaderStore(folder: state, change)
            let first = try await report(sighting(1, [Self.offer(kernel.archive)]), to: store)
            let claim = try #require(first.verdicts.first?.claim)
            try await store.put(
                kernel.archive, as: KernelIdentity(buildID: kernel.id), origin: .sysfs, claim: claim)
            try await store.put(btf: Self.btf, of: kernel.id)
            try await body(store, state)
            try store.close()
        }
    }

    private func withKeptAnswer(
        to sighting: Sighting, _ body: (_ store: HeaderStore, _ state: String) async throws -> Void
    ) async throws {
        try await withStore { store, state in
            for _ in 1...2 { try await report(sighting, to: store) }
            try #require(kept(sighting, store) != nil)
            try await body(store, state)
        }
    }

    @Test func whatSaysNothingNewIsAtHandTheNextTime() async throws {
        let now = Mutex(100)
        try await withStore({ $0.now = { now.withLock { $0 } } }) { store, _ in
            let mine = sighting(2, [ArtefactOffer(.btf, digest: .init(of: Self.btf)), Self.offer(kernel.archive)])
            #expect(kept(mine, store) == nil)
            try await report(mine, to: store)
            // That was written.
            #expect(kept(mine, store) == nil)
            let answer = try await report(mine, to: store)
            now.withLock { $0 = 200 }
            #expect(kept(mine, store) == SightingAnswer(verdicts: answer.verdicts, time: 200))
            #expect(answer.verdicts.map(\.reason) == [.agreed, .agreed])
            // Of another kernel it would be refused.
            #expect(store.keptAnswer(toReport: digest(mine), kernel: other.id) == nil)
            #expect(kept(sighting(3, mine.offers), store) == nil)
            #expect(kept(sighting(2, boot: "2", mine.offers), store) == nil)
        }
    }

    @Test func itsTimeIsWrittenInTheEnd() async throws {
        let now = Mutex(100)
        try await withTemporaryFolder { folder in
            let state = folder.path("store")
            let store = try HeaderStore(folder: state) {
                $0.now = { now.withLock { $0 } }
                $0.flushSeconds = 3600
            }
            try await store.put(kernel)
            let mine = sighting(2, [Self.offer(nil)])
            for _ in 1...2 { try await report(mine, to: store) }
            let before = try await store.status().catalogueBytes
            for time in [200, 300] {
                now.withLock { $0 = time }
                #expect(kept(mine, store)?.time == time)
            }
            #expect(try await store.status().catalogueBytes == before)
            #expect(try await store.kernel(kernel.id).lastSeen == 100)
            try store.close()
            // Nothing more would be written.
            #expect(kept(mine, store) == nil)
            let after = try HeaderStore(folder: state)
            #expect(try await after.kernel(kernel.id).lastSeen == 300)
            try after.close()
        }
    }

    /// It would take a transaction, which is for the others' thread.
    @Test func beyondSoManyTimesItIsNotAtHand() async throws {
        let now = Mutex(100)
        try await withStore({
            $0.now = { now.withLock { $0 } }
            $0.flushSeconds = 3600
            $0.maximumTimes = 3
        }) { store, _ in
            let sightings = (2...5).map { sighting($0, []) }
            for sighting in sightings + sightings { try await report(sighting, to: store) }
            // One of the second four's is in memory; three were written.
            #expect(sightings.map { kept($0, store) != nil } == [true, true, false, true])
            now.withLock { $0 = 200 }
            #expect(sightings.map { kept($0, store) != nil } == [true, true, false, true])
            try await report(sightings[2], to: store)
            #expect(try await store.kernel(kernel.id).lastSeen == 200)
            #expect(sightings.prefix(3).allSatisfy { kept($0, store) != nil })
        }
    }

    @Test func whatMayBeAnsweredOtherwiseSoonIsNotAtHand() async throws {
        try await withStore { store, _ in
            let deferred = Self.offer(nil)
            func reason(_ sighting: Sighting) async throws -> ArtefactVerdict.Reason? {
                try await report(sighting, to: store)
                let reason = try await report(sighting, to: store).verdicts.first?.reason
                #expect((kept(sighting, store) != nil) == (reason == .agreed), "\(sighting)")
                return reason
            }
            for (host, expected) in [(2, ArtefactVerdict.Reason.secondOpinion), (3, .secondOpinion), (4, .known)] {
                #expect(try await reason(sighting(host, [deferred])) == expected)
            }
            #expect(try await reason(sighting(5, [Self.offer([1])])) == .digestDiffers)
            #expect(try await reason(sighting(2, [Self.offer(kernel.archive)])) == .agreed)
            try await store.purge(kernel.id)
            for (host, expected) in [(6, ArtefactVerdict.Reason.first), (7, .beingUploaded)] {
                #expect(try await reason(sighting(host, [deferred])) == expected)
            }
            var large = deferred
            large.bytes = 1 << 40
            #expect(try await reason(sighting(8, [large])) == .tooLarge)
        }
    }

    @Test func whoseDigestIsNotNeededIsKnownForGood() async throws {
        try await withStore { store, _ in
            let fourth = sighting(4, [Self.offer(nil)])
            for host in 2...3 { try await report(sighting(host, [Self.offer(kernel.archive)]), to: store) }
            for _ in 1...2 { #expect(try await report(fourth, to: store).verdicts.first?.reason == .known) }
            #expect(kept(fourth, store)?.verdicts.first?.reason == .known)
            let first = sighting(1, [Self.offer(nil), ArtefactOffer(.btf)])
            for _ in 1...2 { try await report(first, to: store) }
            #expect(kept(first, store)?.verdicts.map(\.reason) == [.known, .known])
        }
    }

    @Test func anotherReportOfTheHostEndsIt() async throws {
        let known = sighting(2, [Self.offer(kernel.archive)])
        for other in [sighting(2, boot: "2", known.offers), sighting(2, []), sighting(2, [Self.offer([1])])] {
            try await withKeptAnswer(to: known) { store, _ in
                try await report(other, to: store)
                #expect(kept(known, store) == nil)
                // Nor does one without a digest leave it there.
                for _ in 1...3 { try await report(known, to: store) }
                #expect(kept(known, store) != nil)
                _ = try await store.checkIn(known)
                #expect(kept(known, store) == nil)
            }
        }
        try await withKeptAnswer(to: known) { store, _ in
            try await report(sighting(3, []), to: store)
            #expect(kept(known, store) != nil)
        }
    }

    /// It may have claimed something all the same.
    @Test func evenOneThatCouldNotBeWrittenEndsIt() async throws {
        let known = sighting(2, [])
        try await withKeptAnswer(to: known) { store, state in
            var configuration = Configuration()
            configuration.allowsUnsafeTransactions = true
            let database = try DatabaseQueue(path: "\(state)/catalogue.sqlite", configuration: configuration)
            try await database.writeWithoutTransaction { try $0.beginTransaction(.immediate) }
            await #expect(throws: DatabaseError.self) { try await report(sighting(2, boot: "2", []), to: store) }
            #expect(kept(known, store) == nil)
            try await database.writeWithoutTransaction { try $0.rollback() }
            try database.close()
        }
    }

    @Test func aClaimIsFreeOfWhatIsNotOffered() async throws {
        try await withStore { store, _ in
            try await store.purge(kernel.id)
            try await report(sighting(2, [Self.offer(nil)]), to: store)
            #expect(store.liveClaims == 1)
            for _ in 1...2 { try await report(sighting(2, []), to: store) }
            #expect(kept(sighting(2, []), store)?.verdicts == [])
            #expect(store.liveClaims == 0)
        }
    }

    @Test func purgeEndsIt() async throws {
        for offers in [[Self.offer(kernel.archive)], [ArtefactOffer(.btf)]] {
            let known = sighting(2, offers)
            try await withKeptAnswer(to: known) { store, _ in
                try await store.purge(kernel.id)
                #expect(kept(known, store) == nil)
                #expect(try await report(known, to: store).verdicts.first?.answer == .upload)
            }
        }
    }

    @Test func retentionEndsIt() async throws {
        let now = Mutex(0)
        try await withStore({
            $0.now = { now.withLock { $0 } }
            $0.flushSeconds = 3600
        }) { store, _ in
            let known = sighting(2, [Self.offer(kernel.archive), ArtefactOffer(.btf)])
            for _ in 1...2 { try await report(known, to: store) }
            now.withLock { $0 = 200 * 86_400 }
            var rules = RetentionRules()
            (rules.days, rules.newest) = (100, 0)
            #expect(try await store.prune(rules, isDryRun: false).removals.count == 1)
            #expect(kept(known, store) == nil)
        }
    }

    @Test func anIngestEndsIt() async throws {
        let known = sighting(2, [Self.offer(kernel.archive)])
        try await withKeptAnswer(to: known) { store, _ in
            try await store.put(kernel)
            #expect(kept(known, store) == nil)
            let answer = try await report(known, to: store)
            #expect(kept(known, store)?.verdicts == answer.verdicts)
        }
    }

    @Test func anOpinionEndsIt() async throws {
        let known = sighting(2, [Self.offer(kernel.archive)])
        try await withKeptAnswer(to: known) { store, _ in
            try await report(sighting(3, [Self.offer([1])]), to: store)
            #expect(kept(known, store) == nil)
            try await report(known, to: store)
            #expect(kept(known, store) != nil)
        }
    }

    @Test func damageEndsIt() async throws {
        let headers = sighting(2, [Self.offer(kernel.archive)])
        try await withKeptAnswer(to: headers) { store, state in
            let pack = try PackOnDisk.of(kernel, in: state)
            try pack.flip(at: try DamagedStoreTests.Place.block.range(in: pack).lowerBound + 1)
            #expect(try await store.verify().found == 1)
            #expect(kept(headers, store) == nil)
            #expect(try await report(headers, to: store).verdicts.first?.answer == .upload)
        }
        let btf = sighting(2, [ArtefactOffer(.btf)])
        try await withKeptAnswer(to: btf) { store, state in
            let name = try #require(try FolderListing.names(in: "\(state)/btf").first)
            var bytes = try FileSource(path: "\(state)/btf/\(name)").readAll()
            bytes[bytes.count / 2] ^= 1
            try TemporaryFolder.write(bytes, to: "\(state)/btf/\(name)")
            #expect(try await store.verify().found == 1)
            #expect(kept(btf, store) == nil)
            #expect(try await report(btf, to: store).verdicts.first?.answer == .upload)
        }
    }

    /// Whatever came before.
    @Test(arguments: 1...3) func whatIsAtHandIsWhatWouldBeAnswered(seed: Int) async throws {
        try await withStore({ $0.flushSeconds = 3600 }) { store, _ in
            var random = SeededGenerator(seed: "kept \(seed)")
            let btf = ArtefactOffer(.btf, digest: .init(of: Self.btf))
            let offers: [[ArtefactOffer]] = [
                [], [btf], [ArtefactOffer(.btf)], [Self.offer(nil)], [Self.offer(kernel.archive), btf],
                [btf, Self.offer([1])],
            ]
            let sightings = (1...4).flatMap { host in offers.map { sighting(host, $0) } }
            var found = 0
            for _ in 1...150 {
                switch random.next() % 20 {
                case 0: try? await store.purge(kernel.id)
                case 1: try await store.put(btf: Self.btf, of: kernel.id)
                case 2: try await store.put(kernel)
                case 3:
                    let claim = try await report(sighting(9, [Self.offer(nil)]), to: store).verdicts.first?.claim
                    guard let claim else { break }
                    try await store.put(
                        kernel.archive, as: KernelIdentity(buildID: kernel.id), origin: .sysfs, claim: claim)
                default:
                    let sighting = sightings[Int(random.next() % UInt64(sightings.count))]
                    for _ in 0...random.next() % 3 { try await report(sighting, to: store) }
                }
                for sighting in sightings {
                    guard let kept = kept(sighting, store) else { continue }
                    found += 1
                    let (before, claims) = (try await store.status(), store.liveClaims)
                    #expect(try await report(sighting, to: store).verdicts == kept.verdicts)
                    let after = try await store.status()
                    #expect((after.catalogueBytes, store.liveClaims) == (before.catalogueBytes, claims))
                }
            }
            #expect(found > 100)
        }
    }
}
