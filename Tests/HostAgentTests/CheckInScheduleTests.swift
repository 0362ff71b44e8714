@testable import HostAgent
import KHeaderTestSupport
import Testing

@Suite struct CheckInScheduleTests {
    @Test func hostsThatStartTogetherDriftApart() {
        var generator = SeededGenerator(seed: 1)
        var schedule = CheckInSchedule(every: .seconds(6 * 3600))
        let pauses = (0..<1000).map { _ in schedule.pause(afterSuccess: true, using: &generator) }
        #expect(pauses.allSatisfy { (.seconds(17280)...Duration.seconds(25920)).contains($0) })
        #expect(Set(pauses).count == 1000)
    }

    @Test func afterAFailureItIsSoonerAndThenLessAndLessSo() {
        var generator = SeededGenerator(seed: 2)
        for _ in 0..<100 {
            var schedule = CheckInSchedule(every: .seconds(3600))
            for limit in [60, 120, 240, 480, 960, 1920, 3600, 3600] + Array(repeating: 3600, count: 40) {
                let pause = schedule.pause(afterSuccess: false, using: &generator)
                #expect((.seconds(limit) * 0.1...Duration.seconds(limit)).contains(pause))
            }
            _ = schedule.pause(afterSuccess: true, using: &generator)
            #expect(schedule.pause(afterSuccess: false, using: &generator) <= .seconds(60))
        }
    }

    @Test func aShortIntervalIsNeverExceededAfterAFailure() {
        var generator = SeededGenerator(seed: 3)
        var schedule = CheckInSchedule(every: CheckInSchedule.shortest)
        for _ in 0..<10 { #expect(schedule.pause(afterSuccess: false, using: &generator) <= CheckInSchedule.shortest) }
    }
}
