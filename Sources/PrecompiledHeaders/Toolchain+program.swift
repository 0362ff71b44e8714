internal import Glibc

extension Toolchain {
    /// A clang that is installed here, with no more asked of it than tells it from others.
    ///
    /// - Parameters:
    ///   - program: a path.
    ///   - patience: how long each question may take, in whole seconds.
    /// - Returns: nil if it is not there, not a clang, or does not answer.
    public static func ofProgram(_ program: String, patience: Duration = .seconds(10)) async -> Toolchain? {
        guard let resolved = realpath(program, nil) else { return nil }
        defer { free(resolved) }
        let path = String(cString: resolved)
        let questions = ProgramQuestion(patience: patience)
        async let package = PackageVersion.ofFile(path, questions: questions)
        guard let version = await questions.ask(path, "--version") else { return nil }
        return Toolchain(versionOutput: version, package: await package)
    }
}
