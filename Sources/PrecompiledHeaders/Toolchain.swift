internal import HeaderArchive
public import KernelHeaders

/// One exact clang. A PCH made by one is of no use to any other, so it is named by what it says of itself.
public struct Toolchain: Codable, Hashable, Sendable {
    /// SHA-256 of the version line, a line feed and the target.
    public let id: Digest
    /// The first line of `clang --version`, vendor's revision included: `Debian clang version 14.0.6`.
    public let version: String
    /// The default target triple: `x86_64-pc-linux-gnu`.
    public let target: String

    /// - Parameter output: what `clang --version` prints; nil if it is not what a clang prints.
    public init?(versionOutput output: some StringProtocol) {
        let lines = output.split(separator: "\n")
        guard let version = lines.first, version.contains("clang version "),
            let target = lines.first(where: { $0.hasPrefix("Target: ") })?.dropFirst("Target: ".count), !target.isEmpty
        else { return nil }
        self.version = String(version)
        self.target = String(target)
        id = SHA256Hash.digest(of: Array("\(version)\n\(target)".utf8))
    }
}

/// The clangs that a server may use, as `GET /v1/toolchains` answers them.
public struct ToolchainList: Codable, Sendable, Equatable {
    public var toolchains: [Toolchain]

    public init(toolchains: [Toolchain]) { self.toolchains = toolchains }
}
