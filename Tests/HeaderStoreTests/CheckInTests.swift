import GRDB
import HeaderArchive
import HeaderStore
import KHeaderTestSupport
import KernelHeaders
import OperatorDocuments
import Synchronization
import Testing

/// Sightings and uploads under claims, at the store: what is answered, counted, durable. The rules of claims by themselves
/// are in `UploadClaimsTests`.
@Suite struct CheckInTests {
    private let kernel: StoredKernel

    init() throws { kernel = try StoredKernel(id: 1, revision: 1) }

    private static func host(_ number: Int) throws -> HostID {
        try #require(HostID(bytes: (0..<HostID.length).map { UInt8(truncatingIfNeeded: number >> (8 * min($0, 7))) }))
    }

    private static func sighting(
        _ number: Int, of id: BuildID, boot: String = "1", steps: [CollectStep] = [CollectStep(.sysfs, .usable)],
        release: String? = nil, _ offers: [ArtefactOffer]
    ) throws -> Sighting {
        Sighting(
            host: try host(number), bootID: boot, agent: "test/1",
            kernel: KernelIdentity(buildID: id, release: release),
            steps: steps, offers: offers)
    }

    private static func offer(_ archive: [UInt8]?, _ origin: HeaderOrigin = .sysfs) -> ArtefactOffer {
        ArtefactOffer(
            .headers, origin: origin, bytes: archive?.count, digest: archive.map { KernelHeaders.Digest(of: $0) })
    }

    /// The verdict on a host's one offer.
    private func verdict(_ store: HeaderStore, _ host: Int, _ offer: ArtefactOffer) async throws -> ArtefactVerdict {
        try #require(try await store.checkIn(try Self.sighting(host, of: kernel.id, [offer])).verdicts.first)
    }

    /// Host 1 uploads the kernel's own archive under a claim.
    private func upload(_ store: HeaderStore, origin: HeaderOrigin = .sysfs) async throws {
        let claim = try #require(try await verdict(store, 1, Self.offer(kernel.archive, origin)).claim)
        let identity = KernelIdentity(buildID: kernel.id)
        #expect(try await store.put(kernel.archive, as: identity, source: .import, origin: origin, claim: claim).isNew)
    }

    private func withStore<Value>(
        _ change: (inout HeaderStore.Options) -> Void = { _ in },
        _ body: (_ store: HeaderStore, _ reopened: () throws -> HeaderStore) async throws -> Value
    ) async throws -> Value {
        try await withTemporaryFolder { folder in
            let state = folder.path("store")
            let store = try HeaderStore(folder: state, change)
            return try await body(store) {
                try store.close()
                return try HeaderStore(folder: state)
            }
        }
    }

    // MARK: Agreement

    @Test func hostsAgree() async throws {
        try await withStore { store, reopened in
            try await upload(store)
            // It came under a claim: whatever it says, it is a host's word.
            #expect(try await store.kernel(kernel.id).source == .agent)
            // The uploader does not count, and nobody counts twice.
            for host in [1, 2, 2, 1] {
                let verdict = try await verdict(store, host, Self.offer(kernel.archive, .moduleFile))
                #expect((verdict.answer, verdict.reason) == (.have, .agreed))
            }
            #expect(try await store.kernel(kernel.id).source == .agent)
            let after = try reopened()
            _ = try await verdict(after, 2, Self.offer(kernel.archive))
            #expect(try await after.kernel(kernel.id).source == .agent)
            _ = try await verdict(after, 3, Self.offer(kernel.archive))
            let summary = try await after.kernel(kernel.id)
            #expect((summary.source, summary.conflicts, summary.hosts) == (.agreed, 0, 3))
            try after.close()
        }
    }

    /// Somebody else's transaction, which may take its time: whoever wants to write has to wait, or fails.
    @Test func aReportThatSaysNothingNewTakesNoTransaction() async throws {
        try await withTemporaryFolder { folder in
            let store = try HeaderStore(folder: folder.path("store")) { $0.flushSeconds = 3600 }
            try await upload(store)
            let known: [(host: Int, offers: [ArtefactOffer])] = [
                (1, []), (2, [Self.offer(kernel.archive)]), (3, [Self.offer([1])]),
                (4, [ArtefactOffer(.headers, origin: .loadedModule)]),
            ]
            var answers: [SightingAnswer] = []
            for (host, offers) in known {
                answers.append(try await store.checkIn(try Self.sighting(host, of: kernel.id, offers)))
            }
            var configuration = Configuration()
            configuration.allowsUnsafeTransactions = true
            let other = try DatabaseQueue(path: folder.path("store/catalogue.sqlite"), configuration: configuration)
            try await other.writeWithoutTransaction { try $0.beginTransaction(.immediate) }
            for ((host, offers), before) in zip(known, answers) {
                let answer = try await store.checkIn(try Self.sighting(host, of: kernel.id, offers))
                #expect(answer.verdicts == before.verdicts)
            }
            // Another boot; another digest; another host.
            for sighting in try [
                Self.sighting(1, of: kernel.id, boot: "2", []), Self.sighting(3, of: kernel.id, [Self.offer([2])]),
                Self.sighting(5, of: kernel.id, []),
            ] {
                await #expect(throws: DatabaseError.self) { _ = try await store.checkIn(sighting) }
            }
            try await other.writeWithoutTransaction { try $0.rollback() }
            try other.close()
            for (host, offers) in known { _ = try await store.checkIn(try Self.sighting(host, of: kernel.id, offers)) }
            let summary = try await store.kernel(kernel.id)
            #expect((summary.hosts, summary.conflicts) == (4, 1))
            try store.close()
        }
    }

    @Test func manyAgreeAtOnce() async throws {
        try await withStore { store, reopened in
            try await upload(store)
            try await withThrowingTaskGroup { group in
                for host in 1...200 {
                    group.addTask {
                        let verdict = try await verdict(store, host, Self.offer(kernel.archive))
                        #expect(verdict.reason == .agreed)
                    }
                }
                try await group.waitForAll()
            }
            #expect(try await store.kernel(kernel.id).source == .agreed)
            let after = try reopened()
            let summary = try await after.kernel(kernel.id)
            #expect((summary.source, summary.hosts) == (.agreed, 200))
            try after.close()
        }
    }

    @Test func othersAreAskedForTheirDigest() async throws {
        try await withStore { store, _ in
            try await upload(store)
            let deferred = ArtefactOffer(.headers, origin: .loadedModule)
            var reasons: [ArtefactVerdict.Reason] = []
            for host in 1...4 { reasons.append(try await verdict(store, host, deferred).reason) }
            #expect(reasons == [.known, .secondOpinion, .secondOpinion, .known])
            // One says it, the other can't.
            #expect(try await verdict(store, 2, Self.offer(kernel.archive, .loadedModule)).reason == .agreed)
            _ = try await store.checkIn(try Self.sighting(3, of: kernel.id, []))
            #expect(try await verdict(store, 4, deferred).reason == .secondOpinion)
            #expect(try await verdict(store, 4, Self.offer(kernel.archive, .loadedModule)).reason == .agreed)
            #expect(try await verdict(store, 5, deferred).reason == .known)
            #expect(try await store.kernel(kernel.id).source == .agreed)
            try store.close()
        }
    }

    @Test func hostsDisagree() async throws {
        try await withStore { store, reopened in
            try await upload(store)
            for host in 2...20 {
                let verdict = try await verdict(store, host, Self.offer([1]))
                #expect((verdict.answer, verdict.reason) == (.conflict, .digestDiffers))
            }
            var summary = try await store.kernel(kernel.id)
            #expect((summary.conflicts, summary.source, summary.treeDigest) == (1, .agent, kernel.manifest.digest))
            _ = try await verdict(store, 20, Self.offer([2]))
            let after = try reopened()
            summary = try await after.kernel(kernel.id)
            #expect(summary.conflicts == 2)
            #expect(try await after.status().conflicts == 2)
            // They have said it: nobody else is asked.
            #expect(try await verdict(after, 30, ArtefactOffer(.headers, origin: .sysfs)).reason == .known)
            // Of one of them, what it says now counts.
            for host in [2, 3] {
                #expect(try await verdict(after, host, Self.offer(kernel.archive)).reason == .agreed)
            }
            #expect(try await after.kernel(kernel.id).source == .agreed)
            try after.close()
        }
    }

    /// Digests that nobody else has cost a hostile host nothing. After a day they make room for what other hosts say; what
    /// several hosts have stays.
    @Test func onlySoManyOtherDigestsAreOnRecord() async throws {
        let now = Mutex(100)
        try await withStore({
            $0.now = { now.withLock { $0 } }
            $0.flushSeconds = 3600
        }) { store, reopened in
            try await upload(store)
            let most = 200
            func say(_ host: Int, _ bytes: [UInt8]) async throws {
                now.withLock { $0 += 1 }
                let verdict = try await verdict(store, host, Self.offer(bytes))
                #expect((verdict.answer, verdict.reason) == (.conflict, .digestDiffers))
            }
            func hosts(_ bytes: [UInt8]) async throws -> Int {
                try await store.hosts(of: kernel.id, digest: .init(of: bytes), limit: 9).hosts.count
            }
            for host in [2, 3, 6] { try await say(host, [9]) }
            for number in 1...most + 5 { try await say(1000 + number, [1, UInt8(number)]) }
            #expect(try await store.kernel(kernel.id).conflicts == most)
            for number in most - 5...most + 5 {
                #expect(try await hosts([1, UInt8(number)]) == (number < most ? 1 : 0))
            }
            // What finds no room is not written each time.
            let before = try await store.status().catalogueBytes
            try await say(1000 + most + 5, [1, UInt8(most + 5)])
            #expect(try await store.status().catalogueBytes == before)
            // Who changes its word to one that has no room is on record no more.
            try await say(6, [3])
            #expect(try await hosts([9]) == 2)
            #expect(try await hosts([3]) == 0)
            #expect(try await store.kernel(kernel.id).conflicts == most)
            now.withLock { $0 += 86_400 }
            try await say(4, [8])
            #expect(try await hosts([8]) == 1)
            #expect(try await hosts([9]) == 2)
            #expect(try await hosts([1, 1]) == 0)
            // One that is on record counts further hosts, and takes nobody's place.
            try await say(5, [1, 3])
            #expect(try await hosts([1, 3]) == 2)
            #expect(try await hosts([1, 2]) == 1)
            // Whose digest had to go may say it again; and whoever takes it back makes room.
            try await say(1001, [1, 1])
            #expect(try await hosts([1, 1]) == 1)
            #expect(try await hosts([1, 2]) == 0)
            #expect(try await store.kernel(kernel.id).conflicts == most)
            _ = try await verdict(store, 4, Self.offer(kernel.archive))
            let after = try reopened()
            #expect(try await after.kernel(kernel.id).conflicts == most - 1)
            #expect(try await after.status().conflicts == most - 1)
            try after.close()
        }
    }

    @Test func whatIsPackedOrPushedIsNotCompared() async throws {
        try await withStore { store, _ in
            try await upload(store, origin: .modulesFolder)
            #expect(try await verdict(store, 2, Self.offer([1])).reason == .notComparable)
            try store.close()
        }
        try await withStore { store, reopened in
            try await store.put(kernel)
            #expect(try await verdict(store, 2, Self.offer([1])).reason == .outranked)
            let after = try reopened()
            #expect(try await verdict(after, 2, Self.offer([1])).reason == .outranked)
            #expect(try await after.kernel(kernel.id).conflicts == 0)
            try after.close()
        }
    }

    @Test func btf() async throws {
        let btf = SmallBTF.bytes()
        func offer(_ bytes: [UInt8]) -> ArtefactOffer {
            ArtefactOffer(.btf, bytes: bytes.count, digest: .init(of: bytes))
        }
        try await withStore({ $0.btfBytes = 1000 }) { store, _ in
            let claim = try #require(try await verdict(store, 1, offer(btf)).claim)
            #expect(try await verdict(store, 2, offer(btf)).reason == .beingUploaded)
            #expect(try await verdict(store, 2, offer([UInt8](repeating: 0, count: 1001))).reason == .tooLarge)
            #expect(try await store.put(btf: btf, of: kernel.id, claim: claim).isNew)
            #expect(try await verdict(store, 2, offer(btf)).reason == .agreed)
            #expect(try await verdict(store, 3, offer([1])).reason == .digestDiffers)
            #expect(try await verdict(store, 3, ArtefactOffer(.btf)).reason == .known)
            #expect(try await store.status().conflicts == 1)
            try store.close()
        }
    }

    // MARK: Uploads

    @Test func aClaimThatIsNoneIsRefusedAndNoneIsNotNeeded() async throws {
        try await withStore { store, _ in
            let id = KernelIdentity(buildID: kernel.id)
            await #expect(throws: Problem.self) { try await store.put(kernel.archive, as: id, claim: "x") }
            let claim = try #require(try await verdict(store, 1, Self.offer(kernel.archive)).claim)
            for (artefact, kernel) in [(Artefact.btf, kernel.id), (.headers, try StoredKernel(id: 2, revision: 1).id)] {
                #expect { try store.beginUpload(of: artefact, kernel: kernel, claim: claim) } throws: {
                    ($0 as? Problem)?.code == .claimStale
                }
            }
            #expect(store.liveClaims == 1)
            #expect(try await store.put(kernel).isNew)
            // Somebody was faster.
            _ = try await verdict(store, 2, Self.offer(kernel.archive))
            #expect { try store.beginUpload(of: .headers, kernel: kernel.id, claim: claim) } throws: {
                ($0 as? Problem)?.code == .claimStale
            }
            try store.close()
        }
    }

    @Test func aClaimExpiresUnlessBytesArrive() async throws {
        let now = Mutex(0)
        try await withStore({
            $0.uptime = { now.withLock { $0 } }
            $0.claimSeconds = 10
        }) { store, _ in
            let first = try await verdict(store, 1, Self.offer(kernel.archive))
            #expect(first.seconds == 10)
            let permit = try store.beginUpload(of: .headers, kernel: kernel.id, claim: first.claim)
            for _ in 1...3 {
                now.withLock { $0 += 9 }
                permit.bytesArrived()
            }
            #expect(try await verdict(store, 2, Self.offer(kernel.archive)).reason == .beingUploaded)
            now.withLock { $0 += 10 }
            try permit.requireClaim()
            now.withLock { $0 += 10 }
            #expect(try await verdict(store, 2, Self.offer(kernel.archive)).reason == .takenOver)
            #expect { try permit.requireClaim() } throws: { ($0 as? Problem)?.code == .claimStale }
            permit.ended(.brokenOff)
            #expect(try await verdict(store, 3, Self.offer(kernel.archive)).reason == .beingUploaded)
            try store.close()
        }
    }

    @Test func whoLetsGoOfAPermitHasBrokenOff() async throws {
        try await withStore { store, _ in
            let claim = try #require(try await verdict(store, 1, Self.offer(kernel.archive)).claim)
            _ = try store.beginUpload(of: .headers, kernel: kernel.id, claim: claim)
            #expect(try await verdict(store, 2, Self.offer(kernel.archive)).reason == .takenOver)
            try store.close()
        }
    }

    @Test func aRefusedArchiveIsUploadedOnce() async throws {
        let bad = Array(kernel.archive.dropLast(2000))
        try await withStore { store, _ in
            let claim = try #require(try await verdict(store, 1, Self.offer(bad)).claim)
            await #expect(throws: Problem.self) {
                try await store.put(bad, as: KernelIdentity(buildID: kernel.id), origin: .sysfs, claim: claim)
            }
            for host in 1...5 {
                let verdict = try await verdict(store, host, Self.offer(bad))
                #expect((verdict.answer, verdict.reason) == (.refused, .archiveRefused))
            }
            #expect(try await verdict(store, 6, Self.offer(kernel.archive)).reason == .takenOver)
            try store.close()
        }
    }

    /// Whoever uploads a good archive under a wrong label must not keep others from it.
    @Test func anArchiveRefusedForItsLabelIsRefusedUnderThatLabelOnly() async throws {
        try await withStore { store, _ in
            func verdict(_ host: Int, _ release: String) async throws -> ArtefactVerdict {
                let sighting = try Self.sighting(
                    host, of: kernel.id, release: release, [Self.offer(kernel.archive)])
                return try #require(try await store.checkIn(sighting).verdicts.first)
            }
            let claim = try #require(try await verdict(1, "6.1.0-1").claim)
            await #expect(throws: Problem.self) {
                try await store.put(
                    kernel.archive, as: KernelIdentity(buildID: kernel.id, release: "5.0"), claim: claim)
            }
            #expect(try await verdict(2, "5.0").reason == .archiveRefused)
            #expect(try await verdict(3, "6.1.0-1").reason == .takenOver)
            try store.close()
        }
    }

    @Test func aDiskThatIsFullGrantsNoClaim() async throws {
        let free = Mutex(1 << 30)
        try await withStore({ $0.freeBytes = { free.withLock { $0 } } }) { store, _ in
            free.withLock { $0 = (64 << 20) + kernel.archive.count - 1 }
            let full = try await verdict(store, 1, Self.offer(kernel.archive))
            #expect((full.answer, full.reason, full.claim) == (.refused, .diskFull, nil))
            #expect(store.liveClaims == 0)
            free.withLock { $0 += 1 }
            #expect(try await verdict(store, 1, Self.offer(kernel.archive)).reason == .first)
            try store.close()
        }
    }

    @Test func aTreeThatConflictsIsOnRecord() async throws {
        try await withStore { store, _ in
            let claim = try #require(try await verdict(store, 1, Self.offer([1])).claim)
            try await store.put(kernel)
            let other = try StoredKernel(id: 1, revision: 2)
            await #expect(throws: Problem.self) {
                try await store.put(other.archive, as: KernelIdentity(buildID: kernel.id), claim: claim)
            }
            #expect(try await store.kernel(kernel.id).conflicts == 1)
            try store.close()
        }
    }

    // MARK: Sightings

    @Test func hostsAreCountedAtTheKernelTheyRan() async throws {
        let other = try StoredKernel(id: 2, revision: 1)
        try await withStore { store, reopened in
            try await store.put(kernel)
            try await store.put(other)
            for host in 1...3 { _ = try await store.checkIn(try Self.sighting(host, of: kernel.id, [])) }
            _ = try await store.checkIn(try Self.sighting(3, of: other.id, boot: "2", []))
            _ = try await store.checkIn(
                try Self.sighting(2, of: kernel.id, boot: "2", steps: [CollectStep(.sysfs, .missing)], []))
            let after = try reopened()
            let list = try await after.kernels(limit: 10).kernels
            #expect(list.map(\.hosts) == [2, 1])
            #expect(try await after.status().hosts == 3)
            #expect(try await after.kernel(other.id).hosts == 1)
            try after.close()
        }
    }

    @Test func aKernelThatHostsRunIsKnown() async throws {
        try await withStore { store, reopened in
            func detail(_ store: HeaderStore) async throws -> String {
                do {
                    _ = try await store.kernel(kernel.id)
                    return ""
                } catch let problem as Problem {
                    return "\(problem)"
                }
            }
            #expect(try await detail(store).contains("never seen"))
            let missing = [CollectStep(.sysfs, .missing), CollectStep(.modulesFolder, .damaged, "three files")]
            for host in 1...3 {
                _ = try await store.checkIn(try Self.sighting(host, of: kernel.id, steps: missing, []))
            }
            _ = try await store.checkIn(
                try Self.sighting(4, of: kernel.id, steps: [CollectStep(.moduleFile, .notPermitted)], []))
            let text = try await detail(store)
            #expect(text.contains("4 hosts run it; the agents of 3 found: sysfs missing, modules-folder damaged."))
            #expect(text.contains("kernel-has-no-headers"))
            let after = try reopened()
            #expect(try await detail(after) == text)
            for host in 1...4 {
                _ = try await after.checkIn(
                    try Self.sighting(host, of: try StoredKernel(id: 2, revision: 1).id, steps: missing, []))
            }
            #expect(try await detail(after).contains("No host runs it any more."))
            try after.close()
        }
    }

    @Test func lastSeenIsThatOfTheLastReport() async throws {
        let now = Mutex(100)
        try await withStore({ $0.now = { now.withLock { $0 } } }) { store, reopened in
            try await store.put(kernel)
            now.withLock { $0 = 200 }
            #expect(try await store.checkIn(try Self.sighting(1, of: kernel.id, [])).time == 200)
            #expect(try await store.kernel(kernel.id).lastSeen == 200)
            // It says nothing new: written some seconds later, or at the end.
            now.withLock { $0 = 300 }
            #expect(try await store.checkIn(try Self.sighting(1, of: kernel.id, [])).time == 300)
            let after = try reopened()
            let summary = try await after.kernel(kernel.id)
            #expect((summary.firstSeen, summary.lastSeen) == (100, 300))
            try after.close()
        }
    }

    /// Each transaction makes the journal longer.
    @Test func aReportThatSaysNothingNewWritesNothing() async throws {
        try await withStore({ $0.flushSeconds = 3600 }) { store, _ in
            try await upload(store)
            let offers = [Self.offer(kernel.archive), ArtefactOffer(.btf, bytes: 5, digest: .init(of: [2]))]
            for host in 1...3 { _ = try await store.checkIn(try Self.sighting(host, of: kernel.id, offers)) }
            let before = try await store.status().catalogueBytes
            for _ in 1...50 {
                for host in 1...3 { _ = try await store.checkIn(try Self.sighting(host, of: kernel.id, offers)) }
            }
            #expect(try await store.status().catalogueBytes == before)
            for change in ["2", "3"] {
                _ = try await store.checkIn(try Self.sighting(1, of: kernel.id, boot: change, offers))
            }
            #expect(try await store.status().catalogueBytes > before)
            try store.close()
        }
    }

    @Test func reportsThatComeTogetherAreWrittenTogether() async throws {
        try await withStore { store, _ in
            let before = try await store.status().catalogueBytes
            try await withThrowingTaskGroup { group in
                for host in 1...2000 {
                    group.addTask {
                        _ = try await store.checkIn(try Self.sighting(host, of: kernel.id, [Self.offer([1])]))
                    }
                }
                try await group.waitForAll()
            }
            // One by one they would take 20 kB each, as a transaction writes whole pages.
            #expect(try await store.status().catalogueBytes - before < 2000 * 4000)
            #expect(try await store.status().hosts == 2000)
            #expect(store.liveClaims == 1)
            try store.close()
        }
    }

    /// Reports are few, whatever hostile hosts write into them.
    @Test func beyondSomeDifferentReportsDetailsAreDropped() async throws {
        try await withStore { store, reopened in
            @Sendable func report(_ host: Int, _ text: String) async throws {
                let steps = [
                    CollectStep(.sysfs, .missing, text + String(repeating: "x", count: 2000)),
                    CollectStep(.moduleFile, .unreadable),
                ]
                _ = try await store.checkIn(try Self.sighting(host, of: kernel.id, steps: steps, []))
            }
            try await report(1, "first")
            try await withThrowingTaskGroup { group in
                for host in 2...1500 { group.addTask { try await report(host, "\(host)") } }
                try await group.waitForAll()
            }
            // Nor do they stay when nobody's report they are any more.
            for round in 1...5 { try await report(1, "again \(round)") }
            let after = try reopened()
            #expect(try await after.status().catalogueBytes < 2 << 20)
            await #expect {
                _ = try await after.kernel(kernel.id)
            } throws: {
                "\($0)".contains("1500 hosts run it; the agents of 1301 found: sysfs missing, module-file unreadable.")
            }
            try after.close()
        }
    }

    @Test func claimsDoNotOutliveTheServer() async throws {
        try await withStore { store, reopened in
            let claim = try #require(try await verdict(store, 1, Self.offer(kernel.archive)).claim)
            let after = try reopened()
            #expect { try after.beginUpload(of: .headers, kernel: kernel.id, claim: claim) } throws: {
                ($0 as? Problem)?.code == .claimStale
            }
            #expect(try await verdict(after, 2, Self.offer(kernel.archive)).reason == .first)
            try after.close()
        }
    }

    // MARK: Rebuild

    @Test(arguments: [true, false]) func aRebuildKeepsWhatTheOldCatalogueCanStillSay(isReadable: Bool) async throws {
        try await withTemporaryFolder { folder in
            let state = folder.path("store")
            let store = try HeaderStore(folder: state)
            try await upload(store)
            for host in 1...3 { _ = try await verdict(store, host, Self.offer(kernel.archive)) }
            _ = try await verdict(store, 4, Self.offer([1]))
            let before = try await store.kernel(kernel.id)
            #expect((before.source, before.hosts, before.conflicts) == (.agreed, 4, 1))
            try store.close()
            if !isReadable { try folder.write([UInt8](repeating: 7, count: 8192), to: "store/catalogue.sqlite") }
            let report = try CatalogueRebuild(folder: state, logger: .silent).run()
            #expect((report.kernels, report.hosts) == (1, isReadable ? 4 : 0))
            let after = try HeaderStore(folder: state)
            try await after.requireNoStrays(in: state)
            try await after.requireWhole(kernel)
            let summary = try await after.kernel(kernel.id)
            if isReadable {
                #expect(summary == before)
            } else {
                #expect((summary.source, summary.hosts, summary.conflicts) == (.agent, 0, 0))
            }
            // Where the headers came from is in the pack: digests can still be compared.
            #expect(try await verdict(after, 5, Self.offer([1])).reason == .digestDiffers)
            #expect(try await verdict(after, 6, Self.offer(kernel.archive)).reason == .agreed)
            #expect(try await after.kernel(kernel.id).hosts == (isReadable ? 6 : 2))
            try after.close()
        }
    }
}
