import KHeaderTestSupport
import KernelHeaders
import OperatorDocuments
import Synchronization
import Testing

@testable import HeaderStore

/// Which kernels go, and which stay. The clock is the test's.
@Suite struct RetentionTests {
    /// What the server waited for before it removes kernels is known after a restart, but not after a day in which it did not
    /// run: hosts that reported meanwhile were not heard.
    @Test func theWaitGoesOnAfterARestart() async throws {
        try await withTemporaryFolder { folder in
            let time = Mutex(1_800_000_000)
            var store = try HeaderStore(folder: folder.path("store")) { $0.now = { time.withLock { $0 } } }
            for (passed, expected) in [(600, 600), (600, 1200), (86_400, 1800), (87_001, 600), (1, 1200)] {
                time.withLock { $0 += passed }
                #expect(try await store.waitForPrune(600) == expected)
                try store.close()
                store = try HeaderStore(folder: folder.path("store")) { $0.now = { time.withLock { $0 } } }
            }
            try await store.endWaitForPrune()
            #expect(try await store.waitForPrune(600) == 600)
            try store.close()
        }
    }

    private static let day = 86_400
    private static let start = 1_800_000_000

    /// A store whose clock says so many days after the start.
    private final class Fleet: Sendable {
        let store: HeaderStore
        private let clock: Clock

        init(_ folder: TemporaryFolder) throws {
            let clock = Clock()
            self.clock = clock
            store = try HeaderStore(folder: folder.path("store")) { $0.now = { clock.seconds.withLock { $0 } } }
        }

        func set(day: Int) { clock.seconds.withLock { $0 = RetentionTests.start + day * RetentionTests.day } }

        func report(_ kernel: StoredKernel, host: UInt8 = 1, boot: String = "1") async throws {
            let host = try #require(HostID(bytes: [UInt8](repeating: host, count: HostID.length)))
            _ = try await store.checkIn(
                Sighting(
                    host: host, bootID: boot, agent: "test/1", kernel: KernelIdentity(buildID: kernel.id), steps: [],
                    offers: []))
        }
    }

    private final class Clock: Sendable {
        let seconds = Mutex(RetentionTests.start)
    }

    private static func rules(days: Int = 90, newest: Int = 0, bytes: Int? = nil) -> RetentionRules {
        var rules = RetentionRules()
        rules.days = days
        rules.newest = newest
        rules.bytes = bytes
        return rules
    }

    private func kernels() throws -> [StoredKernel] {
        try (1...4).map { try StoredKernel(id: UInt8($0), revision: $0) }
    }

    private func withFleet(_ body: (Fleet, [StoredKernel]) async throws -> Void) async throws {
        let kernels = try kernels()
        try await withTemporaryFolder { folder in
            let fleet = try Fleet(folder)
            for (day, kernel) in kernels.enumerated() {
                fleet.set(day: day)
                try await fleet.store.put(kernel)
            }
            try await body(fleet, kernels)
            try fleet.store.close()
        }
    }

    private static func ids(_ report: PruneReport) -> [UInt8] { report.removals.map(\.buildID.bytes[0]) }

    @Test func aKernelIsKeptAsLongAsAHostReportsItAndSomeDaysAfterThat() async throws {
        try await withFleet { fleet, kernels in
            // They came on the days 0 to 3.
            fleet.set(day: 60)
            try await fleet.report(kernels[0])
            for (day, expected) in [
                (90, []), (92, [2]), (93, [2, 3]), (94, [2, 3, 4]), (150, [2, 3, 4]), (151, [2, 3, 4, 1]),
            ] as [(Int, [UInt8])] {
                fleet.set(day: day)
                let report = try await fleet.store.prune(Self.rules(), isDryRun: true)
                #expect(Self.ids(report) == expected, "day \(day)")
                #expect(report.removals.allSatisfy { $0.cause == .age })
            }
        }
    }

    @Test func aDryRunChangesNothingAndARunDoesWhatItSaid() async throws {
        try await withFleet { fleet, kernels in
            fleet.set(day: 92)
            let dry = try await fleet.store.prune(Self.rules(), isDryRun: true)
            #expect(Self.ids(dry) == [1, 2] && dry.isDryRun)
            #expect(dry.removals[0].reason == "not reported for 92 days")
            for kernel in kernels { try await fleet.store.requireWhole(kernel) }
            let wet = try await fleet.store.prune(Self.rules(), isDryRun: false)
            #expect(wet.removals == dry.removals && !wet.isDryRun)
            for kernel in kernels[...1] {
                let problem = await #expect(throws: Problem.self) { try await fleet.store.kernel(kernel.id) }
                #expect(problem?.code == .kernelPurged && problem?.detail.contains("not reported for 9") == true)
            }
            for kernel in kernels[2...] { try await fleet.store.requireWhole(kernel) }
            #expect(try await fleet.store.prune(Self.rules(), isDryRun: false).removals.isEmpty)
            // The limit is days to the second.
            fleet.set(day: 93)
            #expect(Self.ids(try await fleet.store.prune(Self.rules(days: 91), isDryRun: true)) == [])
            #expect(Self.ids(try await fleet.store.prune(Self.rules(days: 90), isDryRun: true)) == [3])
        }
    }

    @Test func whatIsPinnedOrNewIsKept() async throws {
        try await withFleet { fleet, kernels in
            _ = try await fleet.store.pin(kernels[0].id)
            fleet.set(day: 500)
            #expect(Self.ids(try await fleet.store.prune(Self.rules(), isDryRun: true)) == [2, 3, 4])
            #expect(Self.ids(try await fleet.store.prune(Self.rules(newest: 1), isDryRun: true)) == [2, 3])
            #expect(Self.ids(try await fleet.store.prune(Self.rules(newest: 9), isDryRun: true)) == [])
            try await fleet.store.unpin(kernels[0].id)
            #expect(Self.ids(try await fleet.store.prune(Self.rules(newest: 1), isDryRun: false)) == [1, 2, 3])
            // The newest of those that are there.
            #expect(Self.ids(try await fleet.store.prune(Self.rules(newest: 1), isDryRun: true)) == [])
        }
    }

    @Test func aBudgetTakesThoseThatWereNotReportedForTheLongestTime() async throws {
        try await withFleet { fleet, kernels in
            try await fleet.store.put(btf: SmallBTF.bytes(), of: kernels[3].id)
            fleet.set(day: 9)
            // What was reported within a week is kept, whatever the budget: day 2 is seven days ago, not more.
            #expect(Self.ids(try await fleet.store.prune(Self.rules(bytes: 1), isDryRun: true)) == [1, 2])
            fleet.set(day: 20)
            let status = try await fleet.store.status()
            let used = status.packBytes + status.btfBytes
            #expect(Self.ids(try await fleet.store.prune(Self.rules(bytes: used), isDryRun: true)) == [])
            let one = try await fleet.store.prune(Self.rules(bytes: used - 1), isDryRun: false)
            #expect(Self.ids(one) == [1] && one.removals[0].cause == .space && one.removals[0].bytes > 0)
            #expect(one.removals[0].reason == "not reported for 20 days, and the store was over its budget")
            // Its pack is there until it is collected, and does not count any more.
            let left = used - one.removals[0].bytes
            #expect(Self.ids(try await fleet.store.prune(Self.rules(bytes: left), isDryRun: true)) == [])
            #expect(Self.ids(try await fleet.store.prune(Self.rules(bytes: left - 1), isDryRun: true)) == [2])
            let all = try await fleet.store.prune(Self.rules(bytes: 1), isDryRun: true)
            #expect(Self.ids(all) == [2, 3, 4])
            #expect(all.removals.reduce(0) { $0 + $1.bytes } == left)
        }
    }

    /// A tree that two kernels have is free when the second one goes.
    @Test func whatAnotherKernelNeedsIsNotFree() async throws {
        try await withFleet { fleet, kernels in
            fleet.set(day: 4)
            let twin = try StoredKernel(id: 9, revision: 1)
            try await fleet.store.put(twin)
            fleet.set(day: 500)
            let report = try await fleet.store.prune(Self.rules(), isDryRun: true)
            #expect(Self.ids(report) == [1, 2, 3, 4, 9])
            #expect(report.removals[0].bytes == 0 && report.removals.dropFirst().allSatisfy { $0.bytes > 0 })
        }
    }

    @Test func aKernelThatIsReportedMeanwhileStays() async throws {
        try await withFleet { fleet, kernels in
            fleet.set(day: 500)
            let store = fleet.store
            let removal = try #require(try await store.prune(Self.rules(), isDryRun: true).removals.first)
            let mark = KernelMark(time: 1)
            try await fleet.report(kernels[0], boot: "1")
            #expect(try await !store.purge(kernels[0].id, mark, unlessSeenAfter: removal.lastSeen))
            _ = try await store.pin(kernels[1].id)
            #expect(try await !store.purge(kernels[1].id, mark, unlessSeenAfter: .max))
            #expect(try await store.purge(kernels[2].id, mark, unlessSeenAfter: .max))
            #expect(try await !store.purge(kernels[2].id, mark, unlessSeenAfter: .max))
            for kernel in kernels[...1] { try await store.requireWhole(kernel) }
        }
    }
}
