internal import Glibc

/// A toolchain of this machine: what it is, and the files of it that a sandbox needs to see.
public struct InstalledToolchain: Hashable, Sendable {
    public let toolchain: Toolchain
    /// The program, links followed.
    public let program: String
    /// The folder of clang's own headers (`stddef.h`): `…/lib/clang/14.0.6/include`.
    public let builtinHeaders: String
    /// The program's shared libraries and its loader, by the paths at which the loader finds them.
    public let libraries: [String]
    /// Whether it can make BPF code.
    public let hasBPF: Bool

    /// Asks a program what it is.
    ///
    /// - Parameter patience: how long each question may take, in whole seconds.
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

    /// Of what is known already.
    init(toolchain: Toolchain, program: String, builtinHeaders: String, libraries: [String], hasBPF: Bool) {
        self.toolchain = toolchain
        self.program = program
        self.builtinHeaders = builtinHeaders
        self.libraries = libraries
        self.hasBPF = hasBPF
    }

    /// Where the sandbox has the program and what it needs. Libraries that the loader finds by the program's own place
    /// (`$ORIGIN`, which it asks `/proc` for, and there is none) lie beside the C library, where it looks as well.
    var mounts: [Sandbox.Mount] {
        let common = libraries.first { $0.hasSuffix("/libc.so.6") }.map { String($0.dropLast("/libc.so.6".count)) }
        let beside = libraries.filter { $0.contains("/../") }
        return (libraries.filter { !$0.contains("/../") } + [program]).map { Sandbox.Mount(source: $0, target: $0) }
            + beside.map { library in
                let name = library.split(separator: "/").last ?? ""
                return Sandbox.Mount(source: library, target: "\(common ?? "/lib")/\(name)")
            }
            + (builtinHeaders.isEmpty ? [] : [Sandbox.Mount(source: builtinHeaders, target: builtinHeaders)])
    }

    /// What the loader says it would load (ld.so(8), `LD_TRACE_LOADED_OBJECTS`), a line each:
    /// `libz.so.1 => /lib/x86_64-linux-gnu/libz.so.1 (0x…)`, `/lib64/ld-linux-x86-64.so.2 (0x…)`. None of a static program.
    /// Set by a shell: of this process's environment it would be timeout(1) that is looked at.
    private static func libraries(of program: String, _ questions: ProgramQuestion) async -> [String] {
        let output = await questions.ask("/bin/sh", "-c", "LD_TRACE_LOADED_OBJECTS=1 exec \"$0\"", program) ?? ""
        return output.split(separator: "\n").compactMap { line in
            line.split(separator: " ").map { $0.drop { $0 == "\t" } }.first { $0.hasPrefix("/") }.map(String.init)
        }
    }
}
