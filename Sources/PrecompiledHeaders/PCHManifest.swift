public import KernelHeaders

/// What is known of a PCH: `GET /buildid/{buildID}/pch/{toolchain}/{profile}/{umbrella}/manifest.json`.
public struct PCHManifest: Codable, Sendable, Equatable {
    /// Who made it, and thus how far it can be trusted.
    public enum Rank: String, Codable, Sendable, Comparable, CaseIterable {
        /// A host with a token of role `builder`; nobody has compiled it again.
        case builder
        /// The server itself, in its sandbox, and proved.
        case server

        public static func < (one: Self, other: Self) -> Bool { one == .builder && other == .server }
    }

    /// A header that is in the umbrella and not in this PCH.
    public struct LeftOut: Codable, Sendable, Equatable {
        public var header: String
        /// The compiler's first error, or that this kernel has no such header.
        public var reason: String

        public init(header: String, reason: String) {
            self.header = header
            self.reason = reason
        }
    }

    /// See ``PCHOrder/key``.
    public var key: Digest
    public var rank: Rank
    public var treeDigest: Digest
    public var toolchain: Digest
    public var profile: Digest
    public var profileName: String
    public var umbrella: String
    /// SHA-256 of the PCH, and its bytes.
    public var digest: Digest
    public var bytes: Int
    /// What programs can include, as they write it: those of the umbrella that were compiled.
    public var headers: [String]
    public var leftOut: [LeftOut]
    /// The paths, relative to a kernel's tree, of all files of it that are in the PCH. A program that includes one needs an
    /// empty file of that name: clang looks for it before it finds out that it has it.
    public var stubs: [String]
    /// Paths, relative to a kernel's tree, that must lead to no stub: files that a program would find before one of the stubs,
    /// and that are not in the PCH. They hold an `#error`.
    public var blocked: [String]
    /// The arguments with which a clang takes the PCH, in their order, without the PCH and the program; empty for
    /// profiles whose tool passes its own. `{stubs}` stands for the folder of the stubs.
    public var arguments: [String]
    /// The small programs that become the same machine code with the PCH as with the headers; see `SmokeProgram`.
    public var proofs: [String]

    public init(
        key: Digest, rank: Rank, treeDigest: Digest, toolchain: Digest, profile: Digest, profileName: String,
        umbrella: String, digest: Digest, bytes: Int, headers: [String], leftOut: [LeftOut], stubs: [String],
        blocked: [String], arguments: [String], proofs: [String]
    ) {
        self.key = key
        self.rank = rank
        self.treeDigest = treeDigest
        self.toolchain = toolchain
        self.profile = profile
        self.profileName = profileName
        self.umbrella = umbrella
        self.digest = digest
        self.bytes = bytes
        self.headers = headers
        self.leftOut = leftOut
        self.stubs = stubs
        self.blocked = blocked
        self.arguments = arguments
        self.proofs = proofs
    }

    /// ``arguments`` for stubs that are in a folder.
    public func arguments(stubs folder: String) -> [String] { Self.filled(arguments, stubs: folder) }

    static func filled(_ arguments: [String], stubs folder: String) -> [String] {
        arguments.map { argument in
            for prefix in ["-I", ""] where argument.hasPrefix(prefix + ClientArguments.placeholder) {
                return prefix + folder + argument.dropFirst(prefix.count + ClientArguments.placeholder.count)
            }
            return argument
        }
    }
}
