import GRDB
import KHeaderTestSupport
import KernelHeaders
import OperatorDocuments
import Synchronization
import Testing

@testable import HeaderStore

/// Which hosts, and what they said, are on record no more, and what stays. The clock is the test's.
@Suite struct HostForgettingTests {
    private static let day = 86_400

    /// A store whose clock says so many days after the start.
    private final class Fleet: Sendable {
        let store: HeaderStore
        private let seconds: Clock

        init(_ folder: TemporaryFolder, _ clock: Clock, _ change: (inout HeaderStore.Options) -> Void = { _ in }) throws
        {
            seconds = clock
            store = try HeaderStore(folder: folder.path("store")) {
                $0.now = { clock.seconds.withLock { $0 } }
                $0.flushSeconds = 3600
                change(&$0)
            }
        }

        func set(day: Int) { seconds.seconds.withLock { $0 = 1_800_000_000 + day * HostForgettingTests.day } }

        @discardableResult
        func report(
            _ host: Int, _ kernel: BuildID, boot: String = "1", steps: [CollectStep] = [CollectStep(.sysfs, .usable)],
            _ offers: [ArtefactOffer] = [], by token: String? = nil
        ) async throws -> SightingAnswer {
            let sighting = HostForgettingTests.sighting(host, kernel, boot: boot, steps: steps, offers)
            return try await store.checkIn(sighting, sentAs: .init(of: sighting.json.bytes), by: token)
        }

        /// Those that are on record as running a kernel.
        func hosts(_ kernel: BuildID, with digest: KernelHeaders.Digest? = nil) async throws -> [Int] {
            let hosts = try await store.hosts(of: kernel, digest: digest, limit: 5000).hosts.map(\.host)
            return hosts.map { Int($0.bytes[0]) + Int($0.bytes[1]) << 8 }.sorted()
        }

        /// Whether anything is known of a kernel, to the catalogue and in memory.
        func knows(_ kernel: BuildID) async throws -> Bool {
            let isKnown = store.index.standing(of: kernel) != .unknown
            let entry = try await store.catalogue.pool.read { [catalogue = store.catalogue] in
                try catalogue.kernel(kernel, $0)
            }
            #expect(isKnown == (entry != nil))
            return isKnown
        }

        func forget() async throws -> [Int] {
            let forgotten = try await store.forgetHosts()
            return [forgotten.hosts, forgotten.kernels]
        }
    }

    private final class Clock: Sendable {
        let seconds = Mutex(1_800_000_000)
    }

    private static func sighting(
        _ host: Int, _ kernel: BuildID, boot: String = "1", steps: [CollectStep] = [CollectStep(.sysfs, .usable)],
        _ offers: [ArtefactOffer] = []
    ) -> Sighting {
        Sighting(
            host: UploadClaimsTests.host(host), bootID: boot, agent: "test/1", kernel: KernelIdentity(buildID: kernel),
            steps: steps, offers: offers)
    }

    private static func offer(_ archive: [UInt8]) -> ArtefactOffer {
        ArtefactOffer(.headers, origin: .sysfs, bytes: archive.count, digest: .init(of: archive))
    }

    private func withFleet(
        _ change: (inout HeaderStore.Options) -> Void = { _ in }, _ body: (Fleet) async throws -> Void
    ) async throws {
        try await withTemporaryFolder { folder in
            let clock = Clock()
            let fleet = try Fleet(folder, clock, change)
            try await body(fleet)
            try Self.requireTrueCounts(fleet.store)
            try fleet.store.close()
            // Whatever was counted is counted the same after a rebuild.
            let state = folder.path("store")
            _ = try CatalogueRebuild(folder: state, logger: .silent).run()
            let rebuilt = try HeaderStore(folder: state)
            try Self.requireTrueCounts(rebuilt)
            try rebuilt.close()
        }
    }

    /// Host 1 uploads the kernel's own archive under a claim.
    private func upload(_ kernel: StoredKernel, to fleet: Fleet) async throws {
        let verdict = try await fleet.report(1, kernel.id, [Self.offer(kernel.archive)]).verdicts.first
        let claim = try #require(verdict?.claim)
        try await fleet.store.put(
            kernel.archive, as: KernelIdentity(buildID: kernel.id), origin: .sysfs, claim: claim)
    }

    /// That what is counted is what rows there are, and none is left over.
    private static func requireTrueCounts(_ store: HeaderStore) throws {
        let others = "opinion WHERE NOT agrees AND opinion.buildID = otherDigest.buildID"
        let flaws = [
            "sighted WHERE hosts != (SELECT count(*) FROM host WHERE kernel = sighted.id)",
            "sighted WHERE conflicts != (SELECT count(*) FROM conflict WHERE conflict.buildID = sighted.buildID)"
                + " + (SELECT count(*) FROM otherDigest WHERE otherDigest.buildID = sighted.buildID)",
            "bareTotal WHERE kernels != (SELECT count(*) FROM sighted WHERE \(Catalogue.isBare))",
            "host WHERE kernel NOT IN (SELECT id FROM sighted)",
            "finding WHERE hosts != (SELECT count(*) FROM host WHERE host.kernel = finding.kernel AND host.report = finding.report)",
            "host WHERE NOT EXISTS (SELECT 1 FROM finding WHERE host.kernel = finding.kernel AND host.report = finding.report)",
            "report WHERE id NOT IN (SELECT report FROM finding)",
            "hostShare WHERE hosts != (SELECT count(*) FROM host WHERE host.token = hostShare.token)",
            "host WHERE token NOT IN (SELECT token FROM hostShare)",
            "otherDigest WHERE hosts != (SELECT count(*) FROM \(others) AND opinion.artefact = otherDigest.artefact"
                + " AND opinion.digest = otherDigest.digest)",
            "opinion WHERE NOT agrees AND NOT EXISTS (SELECT 1 FROM otherDigest WHERE buildID = opinion.buildID"
                + " AND artefact = opinion.artefact AND digest = opinion.digest)",
            "opinion WHERE host NOT IN (SELECT id FROM host)",
        ]
        for flaw in flaws { #expect(try Self.count(flaw, in: store) == 0, "\(flaw)") }
    }

    /// Rows.
    private static func count(_ rows: String, in store: HeaderStore) throws -> Int? {
        try store.catalogue.pool.read { try Int.fetchOne($0, sql: "SELECT count(*) FROM \(rows)") }
    }

    // MARK: Age

    @Test func aHostThatReportsNoMoreIsForgottenAndItsKernelIsNot() async throws {
        let kernel = try StoredKernel(id: 1, revision: 1)
        try await withFleet { fleet in
            try await fleet.store.put(kernel)
            try await fleet.report(1, kernel.id)
            try await fleet.report(2, kernel.id)
            fleet.set(day: 60)
            try await fleet.report(2, kernel.id, boot: "2")
            fleet.set(day: 90)
            #expect(try await fleet.forget() == [0, 0])
            fleet.set(day: 91)
            #expect(try await fleet.forget() == [1, 0])
            #expect(try await fleet.hosts(kernel.id) == [2])
            #expect(try await fleet.store.coverage(limit: 1).hosts.all == 1)
            fleet.set(day: 151)
            #expect(try await fleet.forget() == [1, 0])
            #expect(try await fleet.forget() == [0, 0])
            // What hosts run it no more says when they did, which is what retention goes by.
            let entry = try await fleet.store.detail(of: kernel.id).entry
            #expect((entry.hosts, entry.lastSeen) == (0, 1_800_000_000 + 60 * Self.day))
            #expect(try await fleet.store.status().hosts == 0)
            #expect(try await fleet.store.coverage(limit: 1).kernels.all == 0)
            var rules = RetentionRules()
            (rules.days, rules.newest) = (92, 0)
            #expect(try await fleet.store.prune(rules, isDryRun: true).removals.isEmpty)
            // It is new when it comes again.
            try await fleet.report(1, kernel.id)
            let hosts = try await fleet.store.hosts(of: kernel.id, limit: 9).hosts
            #expect(hosts.map(\.firstSeen) == [1_800_000_000 + 151 * Self.day])
        }
    }

    /// More than one transaction's.
    @Test func allOfThemAreForgotten() async throws {
        try await withFleet { fleet in
            try await withThrowingTaskGroup { group in
                for host in 1...1300 {
                    group.addTask {
                        try await fleet.report(
                            host, UploadClaimsTests.kernel(host % 700), by: host % 3 == 0 ? "one" : nil)
                    }
                }
                try await group.waitForAll()
            }
            fleet.set(day: 50)
            try await fleet.report(2000, UploadClaimsTests.kernel(1), by: "one")
            fleet.set(day: 91)
            #expect(try await fleet.forget() == [1300, 699])
            #expect(try await fleet.knows(UploadClaimsTests.kernel(1)))
            #expect(try await fleet.store.status().hosts == 1)
            for table in ["sighted", "report", "finding", "hostShare"] {
                #expect(try Self.count(table, in: fleet.store) == 1, "\(table)")
            }
        }
    }

    /// Reports that said nothing new: their time may be in memory alone, as may their answer.
    @Test func whatWasHeardLatelyCountsAndWhatIsForgottenIsNotAtHand() async throws {
        let kernel = try StoredKernel(id: 1, revision: 1)
        try await withFleet { fleet in
            try await fleet.store.put(kernel)
            let sighting = Self.sighting(1, kernel.id)
            func kept() -> SightingAnswer? {
                fleet.store.keptAnswer(toReport: .init(of: sighting.json.bytes), kernel: kernel.id)?.answer
            }
            for _ in 1...2 { try await fleet.report(1, kernel.id) }
            try #require(kept() != nil)
            fleet.set(day: 80)
            try #require(kept() != nil)
            fleet.set(day: 100)
            #expect(try await fleet.forget() == [0, 0])
            #expect(try await fleet.hosts(kernel.id) == [1])
            try await fleet.report(1, kernel.id)
            try #require(kept() != nil)
            fleet.set(day: 200)
            #expect(try await fleet.forget() == [1, 0])
            #expect(kept() == nil)
            #expect(try await fleet.hosts(kernel.id) == [])
            try await fleet.report(1, kernel.id)
            #expect(try await fleet.hosts(kernel.id) == [1])
        }
    }

    @Test func aKernelThatOnlyHostsKnewIsForgottenAndNoOther() async throws {
        let stored = try StoredKernel(id: 1, revision: 1)
        let purged = try StoredKernel(id: 2, revision: 2)
        let (bare, running, withBTF, pinned) = (
            UploadClaimsTests.kernel(11), UploadClaimsTests.kernel(12), UploadClaimsTests.kernel(13),
            UploadClaimsTests.kernel(14)
        )
        try await withFleet { fleet in
            for kernel in [stored, purged] { try await fleet.store.put(kernel) }
            try await fleet.store.purge(purged.id)
            try await fleet.store.put(btf: SmallBTF.bytes(), of: withBTF)
            let all = [stored.id, purged.id, bare, running, withBTF, pinned]
            for kernel in all { try await fleet.report(1, kernel) }
            _ = try await fleet.store.pin(pinned)
            fleet.set(day: 40)
            try await fleet.report(1, running)
            fleet.set(day: 90)
            #expect(try await fleet.forget() == [0, 0])
            fleet.set(day: 91)
            #expect(try await fleet.forget() == [0, 1])
            for kernel in all { #expect(try await fleet.knows(kernel) == (kernel != bare), "\(kernel)") }
            let problem = await #expect(throws: Problem.self) { try await fleet.store.kernel(bare) }
            #expect(problem?.code == .kernelUnknown)
            // The last host that ran it is gone, and then so is the kernel.
            fleet.set(day: 131)
            #expect(try await fleet.forget() == [1, 1])
            #expect(try await !fleet.knows(running))
        }
    }

    @Test func whatAForgottenHostSaidDoesNotCount() async throws {
        let kernel = try StoredKernel(id: 1, revision: 1)
        try await withFleet { fleet in
            try await upload(kernel, to: fleet)
            for host in [2, 3] { try await fleet.report(host, kernel.id, [Self.offer(kernel.archive)]) }
            try await fleet.report(4, kernel.id, [Self.offer([1])])
            try await fleet.report(5, kernel.id, [Self.offer([1])])
            fleet.set(day: 50)
            try await fleet.report(5, kernel.id, boot: "2")
            try await fleet.report(6, kernel.id)
            fleet.set(day: 91)
            #expect(try await fleet.forget() == [4, 0])
            // One host has other headers still; that hosts agreed once is so for good.
            let summary = try await fleet.store.kernel(kernel.id)
            #expect((summary.hosts, summary.conflicts, summary.source) == (2, 1, .agreed))
            #expect(try await fleet.hosts(kernel.id, with: .init(of: [1])) == [5])
            fleet.set(day: 141)
            #expect(try await fleet.forget() == [2, 0])
            #expect(try await fleet.store.kernel(kernel.id).conflicts == 0)
            // Others are asked, as nobody is there who said it; what they say is not held against what is gone.
            let deferred = ArtefactOffer(.headers, origin: .sysfs)
            #expect(try await fleet.report(7, kernel.id, [deferred]).verdicts.first?.reason == .secondOpinion)
            #expect(try await fleet.report(4, kernel.id, [Self.offer([1])]).verdicts.first?.reason == .digestDiffers)
            #expect(try await fleet.hosts(kernel.id, with: .init(of: [1])) == [4])
        }
    }

    // MARK: Too much

    @Test func whoInventsHostsPushesOutThoseOfTheSameTokenOnly() async throws {
        let kernel = try StoredKernel(id: 1, revision: 1)
        try await withFleet({ $0.hosts.number = 3 }) { fleet in
            try await fleet.store.put(kernel)
            try await fleet.report(1, kernel.id)
            try await fleet.report(2, kernel.id, by: "honest")
            for host in 11...13 {
                fleet.set(day: host)
                try await fleet.report(host, kernel.id, by: "hostile")
            }
            #expect(try await fleet.hosts(kernel.id) == [1, 2, 11, 12, 13])
            #expect(try await fleet.store.mostHostsOfToken() == 3)
            // A known one takes nobody's place, and is not the next to go. Nor does it matter what token it shows now.
            fleet.set(day: 20)
            for boot in ["2", "3"] { try await fleet.report(11, kernel.id, boot: boot, by: "other") }
            #expect(try await fleet.hosts(kernel.id) == [1, 2, 11, 12, 13])
            for host in 14...15 { try await fleet.report(host, kernel.id, by: "hostile") }
            #expect(try await fleet.hosts(kernel.id) == [1, 2, 11, 14, 15])
            #expect(try await fleet.store.kernel(kernel.id).hosts == 5)
            for host in 3...5 { try await fleet.report(host, kernel.id, by: "honest") }
            #expect(try await fleet.hosts(kernel.id) == [1, 3, 4, 5, 11, 14, 15])
            // One that had to go comes back as a new one, and was not answered from memory.
            try await fleet.report(12, kernel.id, by: "hostile")
            #expect(try await fleet.hosts(kernel.id).contains(12))
            #expect(try await fleet.store.mostHostsOfToken() == 3)
        }
    }

    @Test func whoHadToMakeRoomIsNotAnsweredFromMemory() async throws {
        let kernel = try StoredKernel(id: 1, revision: 1)
        try await withFleet({ $0.hosts.number = 1 }) { fleet in
            try await fleet.store.put(kernel)
            let sighting = Self.sighting(1, kernel.id)
            for _ in 1...2 { try await fleet.report(1, kernel.id) }
            try #require(fleet.store.keptAnswer(toReport: .init(of: sighting.json.bytes), kernel: kernel.id) != nil)
            try await fleet.report(2, kernel.id)
            #expect(fleet.store.keptAnswer(toReport: .init(of: sighting.json.bytes), kernel: kernel.id) == nil)
            // Of those that report together, too, only one is on record in the end.
            try await withThrowingTaskGroup { group in
                for host in 1...300 { group.addTask { try await fleet.report(host % 10, kernel.id) } }
                try await group.waitForAll()
            }
            #expect(try await fleet.hosts(kernel.id).count == 1)
        }
    }

    /// To forget all at once would hold up the check-in that finds them.
    @Test func whatALowerLimitLeavesNoRoomForGoesSomeAtATime() async throws {
        let kernel = try StoredKernel(id: 1, revision: 1)
        try await withTemporaryFolder { folder in
            let (before, clock) = (try Fleet(folder, Clock()), Clock())
            try await before.store.put(kernel)
            for host in 1...40 { try await before.report(host, kernel.id) }
            try before.store.close()
            let after = try Fleet(folder, clock) { $0.hosts.number = 3 }
            for (host, left) in [(41, 25), (42, 10), (43, 3), (44, 3)] {
                after.set(day: host)
                try await after.report(host, kernel.id)
                #expect(try await after.hosts(kernel.id).count == left)
            }
            #expect(try await after.hosts(kernel.id).suffix(3) == [42, 43, 44])
            try after.store.close()
        }
    }

    /// What the server has in memory of kernels is read anew each time.
    @Test func ofManyInventedKernelsSomeGoAtOnce() async throws {
        try await withFleet({ $0.hosts.bareKernels = 400 }) { fleet in
            try await withThrowingTaskGroup { group in
                for number in 1...400 {
                    group.addTask { try await fleet.report(number, UploadClaimsTests.kernel(number)) }
                }
                try await group.waitForAll()
            }
            for (number, count) in [(401, 399), (402, 400), (403, 399)] {
                try await fleet.report(number, UploadClaimsTests.kernel(number))
                #expect(try Self.count("sighted", in: fleet.store) == count)
            }
        }
    }

    /// A host that says it runs another kernel each time, and hosts that each run one of their own.
    @Test func inventedKernelsPushOutNoneThatMoreHostsRun() async throws {
        let stored = try StoredKernel(id: 1, revision: 1)
        try await withFleet({ $0.hosts.bareKernels = 5 }) { fleet in
            try await fleet.store.put(stored)
            try await fleet.report(1, stored.id)
            let honest = UploadClaimsTests.kernel(900)
            for host in [2, 3] { try await fleet.report(host, honest) }
            func count() throws -> Int? { try Self.count("sighted WHERE trust IS NULL", in: fleet.store) }
            for number in 1...20 {
                fleet.set(day: number)
                try await fleet.report(10, UploadClaimsTests.kernel(1000 + number))
                #expect(try count() == min(number + 1, 5))
            }
            for number in 16...20 {
                #expect(try await fleet.knows(UploadClaimsTests.kernel(1000 + number)) == (number > 16))
            }
            for number in 21...40 {
                fleet.set(day: number)
                try await fleet.report(number, UploadClaimsTests.kernel(1000 + number))
                #expect(try count() == 5)
            }
            // Those that ran what had to go are not on record, either.
            #expect(try await fleet.store.status().hosts == 3 + 4)
            #expect(try await fleet.hosts(honest) == [2, 3])
            // Nor is a kernel in the way of one that headers come of.
            try await fleet.store.put(try StoredKernel(id: 2, revision: 2))
            #expect(try count() == 5)
        }
    }

    @Test func whatOneHostSaysOfManyKernelsIsBounded() async throws {
        let most = Catalogue.maximumOpinionsOfHost
        try await withFleet { fleet in
            let other = ArtefactOffer(.btf, bytes: 1, digest: .init(of: [1]))
            for number in 1...most + 3 {
                fleet.set(day: number)
                try await fleet.store.put(btf: SmallBTF.bytes(), of: UploadClaimsTests.kernel(number))
                try await fleet.report(1, UploadClaimsTests.kernel(number), [other])
                try await fleet.report(2, UploadClaimsTests.kernel(number), number <= 2 ? [other] : [])
            }
            let conflicts = try await fleet.store.conflicts(limit: 1000).conflicts.map(\.buildID)
            let expected = ([1, 2] + (4...most + 3)).map { UploadClaimsTests.kernel($0) }
            #expect(Set(conflicts) == Set(expected))
            #expect(try await fleet.hosts(UploadClaimsTests.kernel(1), with: .init(of: [1])) == [2])
        }
    }

    @Test func onlySoManyReportsOfAllKernelsHaveDetails() async throws {
        try await withFleet({ $0.hosts.detailedReports = 4 }) { fleet in
            for host in 1...6 {
                let steps = [CollectStep(.sysfs, .missing, "detail \(host)")]
                for _ in 1...2 { try await fleet.report(host, UploadClaimsTests.kernel(host % 2), steps: steps) }
            }
            #expect(try Self.count("report WHERE steps LIKE '%detail %'", in: fleet.store) == 4)
            #expect(try Self.count("report", in: fleet.store) == 5)
        }
    }

    // MARK: Whatever comes

    @Test(arguments: 1...3) func whateverHappensTheCountsAreTrue(seed: Int) async throws {
        let stored = try (1...3).map { try StoredKernel(id: UInt8($0), revision: $0) }
        try await withFleet({
            $0.hosts.number = 6
            $0.hosts.bareKernels = 4
            $0.hosts.detailedReports = 3
        }) { fleet in
            var random = SeededGenerator(seed: "forgetting \(seed)")
            try await upload(stored[0], to: fleet)
            for day in 1...150 {
                fleet.set(day: day)
                switch random.next() % 12 {
                case 0: _ = try await fleet.forget()
                case 1: _ = try? await fleet.store.put(stored[Int(random.next() % 3)], source: .agent)
                case 2: try? await fleet.store.purge(stored[Int(random.next() % 3)].id)
                case 3: _ = try? await fleet.store.pin(UploadClaimsTests.kernel(3 + Int(random.next() % 6)))
                case 4: try? await fleet.store.unpin(UploadClaimsTests.kernel(3 + Int(random.next() % 6)))
                case 5: try await fleet.store.put(btf: SmallBTF.bytes(), of: stored[Int(random.next() % 3)].id)
                default:
                    let number = Int(random.next() % 9)
                    let kernel = number < 3 ? stored[number].id : UploadClaimsTests.kernel(number)
                    let bytes = [UInt8(random.next() % 3)]
                    try await fleet.report(
                        Int(random.next() % 20), kernel, boot: "\(random.next() % 3)",
                        steps: [CollectStep(.sysfs, .missing, "\(random.next() % 5)")],
                        [
                            Self.offer(random.next() % 2 == 0 ? bytes : stored[min(number, 2)].archive),
                            ArtefactOffer(.btf, bytes: 1, digest: .init(of: bytes)),
                        ], by: "\(random.next() % 2)")
                }
                try Self.requireTrueCounts(fleet.store)
                #expect(try await fleet.store.mostHostsOfToken() <= 6)
                for number in 0..<9 {
                    _ = try await fleet.knows(number < 3 ? stored[number].id : UploadClaimsTests.kernel(number))
                }
            }
        }
    }

    /// Hosts of a store that was made before count, and are forgotten.
    @Test func hostsFromBeforeAreCountedAndForgotten() async throws {
        try await withTemporaryFolder { folder in
            let path = folder.path("old.sqlite")
            let pool = try DatabasePool(path: path)
            try CatalogueSchema.migrator.migrate(pool, upTo: "9: packs that a repack may make smaller")
            try await pool.write { database in
                try database.execute(
                    sql: """
                        INSERT INTO sighted (id, buildID, release, firstSeen, lastSeen, hosts) VALUES (1, zeroblob(20), '', 1, 2, 2);
                        INSERT INTO report (id, digest, steps) VALUES (1, zeroblob(32), '[]');
                        INSERT INTO finding (kernel, report, hosts) VALUES (1, 1, 2);
                        INSERT INTO host (id, kernel, bootID, agent, report, firstSeen, lastSeen) VALUES
                            (CAST(printf('%016d', 1) AS BLOB), 1, 'boot', 'test/1', 1, 1, 1),
                            (CAST(printf('%016d', 2) AS BLOB), 1, 'boot', 'test/1', 1, 1, 2);
                        """)
            }
            try pool.close()
            let catalogue = try Catalogue(path: path)
            try catalogue.write { database in
                #expect(try Int.fetchOne(database, sql: "SELECT hosts FROM hostShare WHERE token = ''") == 2)
                let old = try catalogue.hosts(notSeenSince: 2, limit: 9, database)
                #expect(old.map(\.bytes.last) == [UInt8(ascii: "1")])
                #expect(try catalogue.forget(old, notSeenSince: 2, database).hosts == old)
                #expect(try Int.fetchOne(database, sql: "SELECT hosts FROM hostShare") == 1)
            }
            try catalogue.close()
        }
    }
}
