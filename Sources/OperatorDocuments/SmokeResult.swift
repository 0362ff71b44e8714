/// What became of compiling a small program with a tree's headers.
public struct SmokeResult: Codable, Sendable, Equatable {
    public enum State: String, Codable, Sendable {
        case verified, failed
        /// No clang here can, or it has not come to it yet.
        case untried
    }

    public var state: State
    /// The version line of the clang that tried; nil if none did.
    public var compiler: String?
    /// Why it failed, in the compiler's own words, or why it was not tried; nil if it was verified.
    public var detail: String?
    /// Seconds since 1970; nil if it was not tried.
    public var time: Int?

    public init(state: State, compiler: String? = nil, detail: String? = nil, time: Int? = nil) {
        self.state = state
        self.compiler = compiler
        self.detail = detail
        self.time = time
    }
}
