/// When an agent that stays checks in again. Pure: the random numbers are given.
public struct CheckInSchedule: Sendable {
    /// The shortest interval that may be asked for.
    public static let shortest = Duration.seconds(60)
    /// The pause after a first failure, without jitter; twice that after the second, and so on up to the interval.
    static let firstRetry = Duration.seconds(60)

    private let interval: Duration
    private var failures = 0

    public init(every interval: Duration) { self.interval = interval }

    /// The pause before the next check-in.
    ///
    /// After one that came through: the interval, a fifth more or less, so that hosts that started together drift apart.
    /// After one that did not: less, with full jitter, doubling from failure to failure.
    public mutating func pause(
        afterSuccess isSuccess: Bool, using generator: inout some RandomNumberGenerator
    ) -> Duration {
        guard !isSuccess else {
            failures = 0
            return interval * Double.random(in: 0.8...1.2, using: &generator)
        }
        let limit = min(Self.firstRetry * (1 << min(failures, 20)), interval)
        failures += 1
        return limit * Double.random(in: 0.1...1, using: &generator)
    }
}
