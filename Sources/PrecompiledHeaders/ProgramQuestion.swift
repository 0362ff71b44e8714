internal import Subprocess
internal import SystemPackage

/// Asks installed programs what they are, and gives up on one that does not answer.
package struct ProgramQuestion: Sendable {
    /// How long an answer may take, in whole seconds and at least one.
    private let patience: Duration

    package init(patience: Duration) { self.patience = patience }

    /// What a program prints; nil if it, or timeout(1), is not there, if it fails, prints more than 64 KiB, or takes too long.
    ///
    /// timeout(1) counts the time. A task of this process that did would be resumed by the same threads as the answer, in any
    /// order: when the process has more to do than threads, a timer that is due comes before an answer that has long been
    /// there.
    package func ask(_ program: String, _ arguments: String...) async -> String? {
        let bounds = ["-k", "1", "\(max(1, patience.components.seconds))"]
        let result = try? await run(
            .name("timeout"), arguments: Arguments(bounds + [program] + arguments), platformOptions: .wholeGroup,
            input: .none, output: .string(limit: 1 << 16), error: .discarded)
        guard let result, result.terminationStatus.isSuccess else { return nil }
        return result.standardOutput
    }
}
