public import KernelHeaders
internal import PrecompiledHeaders

/// A PCH that is asked for.
public struct PCHRequest: Sendable, Equatable {
    public var buildID: BuildID
    /// The toolchain's ID.
    public var toolchain: Digest
    /// A name that servers know, or a profile's ID.
    public var profile: String
    public var umbrella: String
    /// Whether one will do that a host has made with a token of role `builder`.
    public var acceptsBuilders: Bool

    public init(buildID: BuildID, toolchain: Digest, profile: String, umbrella: String, acceptsBuilders: Bool = false) {
        self.buildID = buildID
        self.toolchain = toolchain
        self.profile = profile
        self.umbrella = umbrella
        self.acceptsBuilders = acceptsBuilders
    }

    private var query: String { APIPath.query([("rank", acceptsBuilders ? "builder" : nil)]) }
    var path: String {
        APIPath.pch(buildID, toolchain: toolchain, profile: profile, umbrella: umbrella) + query
    }
    var manifestPath: String {
        APIPath.pchManifest(buildID, toolchain: toolchain, profile: profile, umbrella: umbrella) + query
    }
}
