public import HeaderTransport

/// Why a tool can't have a PCH, in a sentence. The full headers will do.
public struct PCHUnavailable: Error, CustomStringConvertible, ExitStatusProviding {
    /// The stable code, as `ProblemCode` has them for refusals.
    public static let code = "pch-unavailable"

    /// The sentence, without the code where a server's refusal has one of its own.
    public let description: String
    public let exitStatus: ExitStatus

    init(_ sentence: String, _ exitStatus: ExitStatus = .notFound) {
        description = "\(sentence) (\(Self.code))"
        self.exitStatus = exitStatus
    }

    /// bpftrace leaves out all that comes from a PCH.
    public static let bpftrace = PCHUnavailable("bpftrace can't use one.")

    /// A program that is not there: what runs it will say so.
    public static func program(_ name: String) -> Self { Self("there is no program '\(name)' here.") }

    /// - Parameter obstacle: as `ProgramText.Needs` has it.
    public static func program(obstacle: String) -> Self { Self("The program can't have a PCH: \(obstacle).") }

    /// - Parameter variable: one that a user sets for bcc.
    /// Of a command no program was seen.
    public static let unseen = Self(
        "No text of what the command compiles was found, so nobody can tell whether a PCH serves it. "
            + "With --umbrella NAME you say that it does."
    )

    public static func variable(_ variable: String) -> Self {
        Self("\(variable) is set, and says something else to bcc than a PCH does.")
    }

    /// What a server, or the way to it, said.
    init(_ error: any Error) {
        description = "\(error)"
        exitStatus = ExitStatus(error)
    }
}
