/// The version of the package that a file came in, as dpkg or rpm knows it.
public enum PackageVersion {
    /// Of a file of this host.
    ///
    /// - Parameters:
    ///   - path: links followed, as packages list files by their own paths.
    ///   - patience: how long a package manager may take.
    /// - Returns: nil if no package manager is here, or none knows the file.
    public static func ofFile(_ path: String, patience: Duration = .seconds(10)) async -> String? {
        await ofFile(path, questions: ProgramQuestion(patience: patience))
    }

    static func ofFile(_ path: String, questions: ProgramQuestion) async -> String? {
        // `clang-14: /usr/lib/llvm-14/bin/clang`, `libclang-cpp14: …`, several separated by `, `.
        if let owners = await questions.ask("/usr/bin/dpkg-query", "-S", path),
            let owner = owners.split(separator: "\n").first?.split(separator: " ").first.map({ $0.drop { $0 == "," } })
        {
            let name = owner.last == ":" || owner.last == "," ? owner.dropLast() : owner
            let version = await questions.ask("/usr/bin/dpkg-query", "-W", "-f", "${Version}\n", String(name))
            if let version = version?.split(separator: "\n").first { return String(version) }
        }
        let version = await questions.ask(
            "/usr/bin/rpm", "-q", "-f", "--qf", "%{EPOCHNUM}:%{VERSION}-%{RELEASE}\n", path)
        return version?.split(separator: "\n").first.map(String.init)
    }
}
