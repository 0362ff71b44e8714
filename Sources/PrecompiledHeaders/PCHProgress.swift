/// How far a PCH is that was asked for and is not there yet: the body of a 202.
public struct PCHProgress: Codable, Sendable, Equatable {
    public enum State: String, Codable, Sendable { case queued, building }

    public var state: State
    /// How many builds go before it; 0 while it is built.
    public var position: Int
    /// What is being done, in a few words; nil in the queue.
    public var step: String?
    /// Which step of how many that is, from 1; 0 in the queue.
    public var stepNumber: Int
    public var steps: Int
    /// Seconds after which asking again makes sense; `Retry-After` says the same.
    public var retryAfter: Int

    public init(state: State, position: Int, step: String?, stepNumber: Int, steps: Int, retryAfter: Int) {
        self.state = state
        self.position = position
        self.step = step
        self.stepNumber = stepNumber
        self.steps = steps
        self.retryAfter = retryAfter
    }
}
