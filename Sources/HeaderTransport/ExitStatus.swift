internal import KernelHeaders

/// What the commands' exit codes mean.
public enum ExitStatus: Int32, Sendable, CaseIterable {
    case done = 0
    case failed = 1
    /// The command line makes no sense.
    case usage = 2
    /// The kernel, tree or file is not there.
    case notFound = 3
    case refused = 4
    /// No server answered, or none could at this time, after retries.
    case unreachable = 5

    /// - Parameter error: what a command threw.
    public init(_ error: any Error) {
        self =
            switch error {
            case let error as any ExitStatusProviding: error.exitStatus
            case let refusal as ServerRefusal where refusal.status == 404: .notFound
            case let refusal as ServerRefusal: refusal.isUnavailable ? .unreachable : .refused
            case TransportError.badAnswer, TransportError.digestDiffers: .failed
            case is TransportError: .unreachable
            // This program's own: what it looked for on this host.
            case let problem as Problem where problem.status == 404: .notFound
            default: .failed
            }
    }

    /// For the help texts.
    public static let explanation = """
        Exit codes: 0 done, 1 failed, 2 usage, 3 not found, 4 refused by the server, 5 server unreachable.
        Results go to standard output, all else to standard error.
        """
}
