public import KernelHeaders

/// What a server can make PCHs with, as `GET /v1/toolchains` answers it.
public struct ToolchainList: Codable, Sendable, Equatable {
    /// A clang, and what the server can compile as with it: nothing, if it is not the server's, but a builder's.
    public struct Entry: Codable, Sendable, Equatable {
        public var toolchain: Toolchain
        public var profiles: [Profile]

        public init(toolchain: Toolchain, profiles: [Profile]) {
            self.toolchain = toolchain
            self.profiles = profiles
        }

        private enum CodingKeys: String, CodingKey { case profiles }

        // The toolchain's members stand beside the others.
        public init(from decoder: any Decoder) throws {
            toolchain = try Toolchain(from: decoder)
            profiles = try decoder.container(keyedBy: CodingKeys.self).decode([Profile].self, forKey: .profiles)
        }

        public func encode(to encoder: any Encoder) throws {
            try toolchain.encode(to: encoder)
            var values = encoder.container(keyedBy: CodingKeys.self)
            try values.encode(profiles, forKey: .profiles)
        }
    }

    /// A profile that can be asked for by its name or its ID.
    public struct Profile: Codable, Sendable, Equatable {
        public var name: String
        public var id: Digest

        public init(name: String, id: Digest) {
            self.name = name
            self.id = id
        }
    }

    public var toolchains: [Entry]
    public var umbrellas: [Umbrella]
    /// Why this server makes no PCHs, in a sentence; nil if it does.
    public var off: String?

    public init(toolchains: [Entry], umbrellas: [Umbrella], off: String?) {
        self.toolchains = toolchains
        self.umbrellas = umbrellas
        self.off = off
    }
}
