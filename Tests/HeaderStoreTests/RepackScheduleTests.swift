import Testing

@testable import HeaderStore

@Suite struct RepackScheduleTests {
    /// When a repack ran, of looks at so many seconds that found these packs.
    private func runs(_ looks: [(time: Int, packs: [Int])]) -> [Int] {
        var schedule = RepackSchedule(seconds: 300)
        return looks.filter { schedule.isDue($0.packs, at: $0.time) }.map(\.time)
    }

    @Test func aRepackIsDueSomeTimeAfterTheLastPackThatNeedsOne() {
        #expect(runs([(0, []), (100, [1]), (399, [1]), (400, [1, 2]), (699, [1, 2]), (700, [1, 2])]) == [700])
        #expect(runs([(0, [1]), (300, [1]), (301, []), (302, [3]), (601, [3]), (602, [3])]) == [300, 602])
    }

    /// A damaged pack must not be read each minute.
    @Test func whatCannotBeDoneIsTriedAgainMuchLater() {
        let later = 300 + RepackSchedule.retrySeconds
        #expect(runs([(0, [1]), (300, [1]), (360, [1]), (later - 1, [1]), (later, [1])]) == [300, later])
    }
}
