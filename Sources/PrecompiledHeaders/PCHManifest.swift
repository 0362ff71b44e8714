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
    /// The arguments with which a clang takes the PCH, in their order, without the PCH and the program; empty for
    /// profiles whose tool passes its own. `{stubs}` stands for the folder of the stubs.
    public var arguments: [String]

    public init(
        key: Digest, rank: Rank, treeDigest: Digest, toolchain: Digest, profile: Digest, profileName: String,
        umbrella: String, digest: Digest, bytes: Int, headers: [String], leftOut: [LeftOut], stubs: [String],
        arguments: [String]
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
        self.arguments = arguments
    }
}
