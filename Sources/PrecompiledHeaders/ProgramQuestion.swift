internal import Subprocess
internal import SystemPackage

/// Asks installed programs what they are, and gives up on one that does not answer.
struct ProgramQuestion: Sendable {
    /// How long an answer may take.
    let patience: Duration

    /// What a program prints; nil if it is not there, fails, prints more than 64 KiB, or takes too long.
    func ask(_ program: String, _ arguments: String..., environment: [String: String] = [:]) async -> String? {
        await ask(program, list: arguments, environment: environment)
    }

    func ask(_ program: String, list arguments: [String], environment: [String: String] = [:]) async -> String? {
        await withTaskGroup(of: String?.self) { group in
            group.addTask { await Self.output(program, arguments, environment) }
            group.addTask { [patience] in
                try? await Task.sleep(for: patience)
                return nil
            }
            // Cancelling ends the program.
            defer { group.cancelAll() }
            return await group.next() ?? nil
        }
    }

    private static func output(
        _ program: String, _ arguments: [String], _ environment: [String: String]
    ) async -> String? {
        let variables = environment.map { (Environment.Key(stringLiteral: $0.key), Optional($0.value)) }
        let result = try? await run(
            .path(FilePath(program)), arguments: Arguments(arguments),
            environment: .inherit.updating(Dictionary(uniqueKeysWithValues: variables)), input: .none,
            output: .string(limit: 1 << 16), error: .discarded)
        guard let result, result.terminationStatus.isSuccess else { return nil }
        return result.standardOutput
    }
}
