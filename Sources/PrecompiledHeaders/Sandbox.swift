/// Runs a compiler on headers that nobody trusts.
public struct Sandbox: Sendable {
    /// What one run may take.
    public struct Limits: Sendable, Equatable {
        /// Of the wall clock: a FIFO for a header takes no other time.
        public var seconds = 60
        public var processorSeconds = 30
        /// Of address space.
        public var memoryBytes = 2 << 30
        /// Of each of what it writes: the PCH, and messages.
        public var outputBytes = 256 << 20
        /// Processes and threads of the user that the server runs as.
        public var processes = 512

        public init() {}
    }

    public let limits: Limits

    /// Looks for `bwrap` and tries it.
    ///
    /// - Parameter insists: whether to do without if it can't be used: headers are then compiled with the server's own rights.
    /// - Throws: ``SandboxUnavailable``.
    public static func find(limits: Limits = Limits(), insists: Bool = false) async throws -> Sandbox {
        fatalError("being written")
    }
}

/// Why nothing can be compiled here, in a sentence.
public struct SandboxUnavailable: Error, CustomStringConvertible {
    public let description: String
}
