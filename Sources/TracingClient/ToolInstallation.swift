public import PrecompiledHeaders

/// A tracing tool that is installed on this host.
public struct ToolInstallation: Sendable, Equatable, Encodable {
    public let tool: TracingTool
    public let path: String
    /// As the tool says: `0.17.0`; nil if it does not answer.
    public let version: String?

    /// The tools found: each at its first place.
    ///
    /// - Parameters:
    ///   - path: folders of programs, separated by colons, as in `PATH`.
    ///   - root: where the host's `/` is, for libraries.
    ///   - patience: how long a program may take to say its version, in whole seconds.
    public static func find(
        path: String, root: String = "/", patience: Duration = .seconds(5)
    ) async -> [ToolInstallation] {
        var found = library(root).map { [$0] } ?? []
        for tool in [TracingTool.bpftrace, .clang] {
            for folder in path.split(separator: ":") where ToolTree.isProgram("\(folder)/\(tool)") {
                let program = "\(folder)/\(tool)"
                found.append(ToolInstallation(tool: tool, path: program, version: await version(of: program, patience)))
                break
            }
        }
        return found
    }

    /// bcc is a library, whose file is named after its version.
    private static func library(_ root: String) -> ToolInstallation? {
        BCCLibrary.locate(root: root).map { ToolInstallation(tool: .bcc, path: $0.path, version: $0.version) }
    }

    private static func version(of program: String, _ patience: Duration) async -> String? {
        await ProgramQuestion(patience: patience).ask(program, "--version").flatMap(version(in:))
    }

    /// The first word of a text that begins as a version does: `v0.17.0`, `14.0.6`.
    static func version(in text: String) -> String? {
        for word in text.split(whereSeparator: { " \n(),".contains($0) }) {
            let version = word.first == "v" ? word.dropFirst() : word
            if version.first?.isNumber == true, version.contains(".") { return String(version) }
        }
        return nil
    }
}
