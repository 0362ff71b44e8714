/// The version of the package that a file came in, as dpkg or rpm knows it.
public enum PackageVersion {
    /// Of a file of this host.
    ///
    /// - Parameters:
    ///   - path: links followed, as packages list files by their own paths.
    ///   - patience: how long a package manager may take, in whole seconds.
    /// - Returns: nil if no package manager is here, or none knows the file.
    public static func ofFile(_ path: String, patience: Duration = .seconds(10)) async -> String? {
        await ofFile(path, questions: ProgramQuestion(patience: patience))
    }

    static func ofFile(_ path: String, questions: ProgramQuestion) async -> String? {
        // A process that asks, and reads the lists of all packages, takes longer than all else that a PCH takes on a client.
        if let name = probableName(of: path), let version = DpkgDatabase().version(of: name, with: path) {
            return version
        }
        if let owner = await debianPackage(of: path, questions) {
            let version = await questions.ask("/usr/bin/dpkg-query", "-W", "-f", "${Version}\n", owner)
            if let version = version?.split(separator: "\n").first { return String(version) }
        }
        let version = await questions.ask(
            "/usr/bin/rpm", "-q", "-f", "--qf", "%{EPOCHNUM}:%{VERSION}-%{RELEASE}\n", path)
        return version?.split(separator: "\n").first.map(String.init)
    }

    /// `clang-14: /usr/lib/llvm-14/bin/clang`, `libclang-cpp14: …`, several separated by `, `.
    private static func debianPackage(of path: String, _ questions: ProgramQuestion) async -> String? {
        let owners = await questions.ask("/usr/bin/dpkg-query", "-S", path)
        guard let owner = owners?.split(separator: "\n").first?.split(separator: " ").first else { return nil }
        return String(owner.last == ":" || owner.last == "," ? owner.dropLast() : owner)
    }

    /// `/usr/lib/llvm-14/lib/libclang-cpp.so.14` is in `libclang-cpp14`, `/usr/lib/llvm-14/bin/clang` in `clang-14`.
    static func probableName(of path: String) -> String? {
        let parts = path.split(separator: "/")
        guard let name = parts.last else { return nil }
        if let version = parts.first(where: { $0.hasPrefix("llvm-") })?.dropFirst("llvm-".count), name == "clang" {
            return "clang-\(version)"
        }
        let words = name.split(separator: ".")
        guard words.count >= 3, words[1] == "so", words[2].allSatisfy(\.isNumber) else { return nil }
        return "\(words[0])\(words[2])"
    }
}
