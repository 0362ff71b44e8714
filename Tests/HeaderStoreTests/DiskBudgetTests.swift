import KHeaderTestSupport
import KernelHeaders
import Synchronization
import Testing

@testable import HeaderStore

@Suite struct DiskBudgetTests {
    @Test func whatIsReservedIsNotGivenTwice() throws {
        let budget = Self.budget(1000)
        let first = try budget.reserve(600)
        expectFull { _ = try budget.reserve(401) }
        let second = try budget.reserve(400)
        expectFull { _ = try budget.reserve(1) }
        withExtendedLifetime((first, second)) {}
    }

    @Test func whatIsLeftOfAReservationIsGivenBack() throws {
        let budget = Self.budget(1000)
        do {
            let reservation = try budget.reserve(1000)
            expectFull { _ = try budget.reserve(1) }
            // Bytes that are written are the file system's to count.
            try reservation.use(300)
            _ = try budget.reserve(300)
        }
        _ = try budget.reserve(1000)
        expectFull { _ = try budget.reserve(1001) }
    }

    @Test func aReservationGrowsInSteps() throws {
        let budget = Self.budget(20 << 20)
        let asked = Mutex(0)
        let reservation = try budget.reserve(10)
        try reservation.use(11)
        // The step, less what is written.
        expectFull { _ = try budget.reserve((12 << 20) + 2) }
        _ = try budget.reserve((12 << 20) + 1)
        budget.onShortage { _ in asked.withLock { $0 += 1 } }
        for _ in 0..<8 { try reservation.use((1 << 20) - 1) }
        #expect(asked.withLock { $0 } == 0)
        expectFull { try reservation.use(100 << 20) }
    }

    @Test func theMarginStaysFree() {
        let budget = DiskBudget(root: "/") { DiskBudget.margin + 99 }
        expectFull { _ = try budget.reserve(100) }
        #expect(throws: Never.self) { try budget.reserve(99) }
    }

    @Test func whoHasDerivedDataIsAskedForWhatIsMissing() throws {
        let free = Mutex(1000)
        let asked = Mutex<[Int]>([])
        let budget = DiskBudget(root: "/") { DiskBudget.margin + free.withLock { $0 } }
        budget.onShortage { bytes in
            asked.withLock { $0.append(bytes) }
            free.withLock { $0 += bytes }
        }
        let reservation = try budget.reserve(900)
        let other = try budget.reserve(500)
        // Others have written into the margin: then more is missing than is asked for.
        free.withLock { $0 = -5000 }
        let third = try budget.reserve(0)
        #expect(asked.withLock { $0 } == [400, 6400])
        withExtendedLifetime((reservation, other, third)) {}
    }

    @Test func oneAfterTheOtherGivesWayUntilThereIsRoom() throws {
        let free = Mutex(100)
        let asked = Mutex<[String]>([])
        let budget = DiskBudget(root: "/") { DiskBudget.margin + free.withLock { $0 } }
        for (name, bytes) in [("first", 50), ("second", 1000), ("third", 1000)] {
            budget.onShortage { missing in
                asked.withLock { $0.append("\(name) \(missing)") }
                free.withLock { $0 += bytes }
            }
        }
        let reservation = try budget.reserve(300)
        #expect(asked.withLock { $0 } == ["first 200", "second 150"])
        withExtendedLifetime(reservation) {}
    }

    @Test func theFileSystemIsAsked() throws {
        try withTemporaryFolder { folder in
            let budget = DiskBudget(root: folder.path)
            #expect(throws: Never.self) { try budget.reserve(1) }
            expectFull { _ = try budget.reserve(1 << 60) }
        }
    }

    private static func budget(_ free: Int) -> DiskBudget { DiskBudget(root: "/") { DiskBudget.margin + free } }

    private func expectFull(_ body: () throws -> Void, sourceLocation: SourceLocation = #_sourceLocation) {
        let problem = #expect(throws: Problem.self, sourceLocation: sourceLocation, performing: body)
        #expect(problem?.code == .diskFull, sourceLocation: sourceLocation)
    }
}
