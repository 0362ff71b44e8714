/// What an agent found in one of the places where a kernel's headers can be.
public struct CollectStep: Codable, Sendable, Equatable {
    /// What became of a place. Programs decide by it; the sentence beside it is for people.
    public enum Outcome: String, Codable, Sendable, CaseIterable {
        /// The running kernel's headers are there, and can be read.
        case usable
        /// They seem to be there. To look closer is work that waits until the server wants them.
        case deferred
        /// A place before it serves.
        case notNeeded = "not-needed"
        /// There is nothing.
        case missing
        /// There is something that can't be read.
        case unreadable
        /// The agent may not load modules here.
        case notPermitted = "not-permitted"
        /// The kernel did not take the module.
        case moduleRefused = "module-refused"
        /// It is of a kernel of another release or build.
        case anotherKernel = "another-kernel"
        /// Nothing shows that it is of the running kernel's build.
        case unproven
        /// A tree of which files are missing, empty, dangling or changed; the detail lists some.
        case damaged
        /// It is not what it is called: no archive, no module.
        case malformed
        /// An outcome that this program's version does not know.
        case unknown

        public init(from decoder: any Decoder) throws {
            self = Outcome(rawValue: try decoder.singleValueContainer().decode(String.self)) ?? .unknown
        }
    }

    /// The longest ``detail`` that is sent and taken, in bytes.
    public static let maximumDetailLength = 2048

    public var origin: HeaderOrigin
    public var outcome: Outcome
    /// A sentence with the path and the reason; nil where the outcome says it all.
    public var detail: String?

    public init(_ origin: HeaderOrigin, _ outcome: Outcome, _ detail: String? = nil) {
        self.origin = origin
        self.outcome = outcome
        self.detail = detail
    }
}
