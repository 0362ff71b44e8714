internal import Glibc

/// A toolchain of this machine: what it is, and the files of it that a sandbox needs to see.
public struct InstalledToolchain: Hashable, Sendable {
    public let toolchain: Toolchain
    /// The program, links followed.
    public let program: String
    /// The folder of clang's own headers (`stddef.h`): `…/lib/clang/14.0.6/include`.
    public let builtinHeaders: String
    /// The program's shared libraries and its loader, by the paths at which they are looked for.
    public let libraries: [String]
    /// Whether it can make BPF code.
    public let hasBPF: Bool

    /// Asks a program what it is.
    ///
    /// - Parameter patience: how long each question may take.
    /// - Returns: nil if it is not there, not a clang, or does not answer.
    public init?(program: String, patience: Duration = .seconds(10)) async {
        guard let resolved = realpath(program, nil) else { return nil }
        defer { free(resolved) }
        let path = String(cString: resolved)
        let questions = ProgramQuestion(patience: patience)
        guard let version = await questions.ask(path, "--version"),
            let toolchain = Toolchain(
                versionOutput: version, package: await PackageVersion.ofFile(path, questions: questions)),
            let resources = await questions.ask(path, "-print-resource-dir")
        else { return nil }
        self.toolchain = toolchain
        self.program = path
        builtinHeaders = resources.split(separator: "\n").first.map { "\($0)/include" } ?? ""
        libraries = await Self.libraries(of: path, questions)
        let targets = await questions.ask(path, "-print-targets") ?? ""
        hasBPF = targets.split(separator: "\n").contains { $0.split(separator: " ").first == "bpf" }
    }

    /// What the loader says it would load (ld.so(8), `LD_TRACE_LOADED_OBJECTS`), a line each:
    /// `libz.so.1 => /lib/x86_64-linux-gnu/libz.so.1 (0x…)`, `/lib64/ld-linux-x86-64.so.2 (0x…)`. None of a static program.
    private static func libraries(of program: String, _ questions: ProgramQuestion) async -> [String] {
        let output = await questions.ask(program, environment: ["LD_TRACE_LOADED_OBJECTS": "1"]) ?? ""
        return output.split(separator: "\n").compactMap { line in
            line.split(separator: " ").map { $0.drop { $0 == "\t" } }.first { $0.hasPrefix("/") }.map(String.init)
        }
    }
}
