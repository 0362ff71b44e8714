internal import HeaderArchive
public import KernelHeaders

/// One exact clang. A PCH made by one is of no use to any other, and clang itself does not look: two Debian revisions of one
/// release read each other's files. So a toolchain is named by all that it says of itself.
public struct Toolchain: Codable, Hashable, Sendable {
    /// SHA-256 of the version line, a line feed, the package's version (nothing if there is none), a line feed and the target.
    public let id: Digest
    /// The first line of `clang --version`, vendor's revision included: `Debian clang version 14.0.6`.
    public let version: String
    /// The version of the package that the program came in: `1:14.0.6-12`; nil if no package manager knows it. The library
    /// that other tools are linked with (`libclang-cpp`) comes out of the same source, with the same version.
    public let package: String?
    /// The default target triple: `x86_64-pc-linux-gnu`.
    public let target: String

    /// - Parameter output: what `clang --version` prints; nil if it is not what a clang prints.
    public init?(versionOutput output: some StringProtocol, package: String?) {
        let lines = output.split(separator: "\n")
        guard let version = lines.first, version.contains("clang version "),
            let target = lines.first(where: { $0.hasPrefix("Target: ") })?.dropFirst("Target: ".count), !target.isEmpty
        else { return nil }
        self.version = String(version)
        self.package = package
        self.target = String(target)
        id = SHA256Hash.digest(of: Array("\(version)\n\(package ?? "")\n\(target)".utf8))
    }

    /// The release's first number, which names Debian's packages and libraries: 14; nil if the version line has none.
    public var major: Int? {
        version.range(ofVersion: "clang version ").flatMap { Int($0.prefix { $0.isNumber }) }
    }
}

extension String {
    /// What follows the first occurrence of some words.
    fileprivate func range(ofVersion words: String) -> Substring? {
        var rest = self[...]
        while !rest.isEmpty {
            if rest.hasPrefix(words) { return rest.dropFirst(words.count) }
            rest = rest.dropFirst()
        }
        return nil
    }
}
