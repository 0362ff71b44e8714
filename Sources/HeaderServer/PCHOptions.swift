public import PrecompiledHeaders

/// What an operator may set of the making of PCHs.
public struct PCHOptions: Sendable {
    /// Whether any are made; those that are there, and those of builders, are served all the same.
    public var isOn = true
    /// Builds that wait at most.
    public var queue = 64
    /// Builds that run at a time.
    public var builders = 1
    /// For how many days what clients asked for is made for new kernels before anyone asks.
    public var aheadDays = 14
    /// What one run of a compiler may take.
    public var limits = Sandbox.Limits()
    /// The operator's own, beside the standard ones.
    public var umbrellas: [Umbrella] = []
    public var profiles: [CompilerProfile] = []
    /// Finds the clangs.
    public var registry = ToolchainRegistry()
    /// Below which bcc's library is looked for; nil for nowhere.
    public var libraryRoot: String? = "/"
    /// Whether compilers run on hosts' headers with the server's own rights if there is no sandbox.
    public var isUnsandboxed = false
    /// Makes what compiles, or throws ``SandboxUnavailable``.
    public var building: @Sendable (PCHOptions) async throws -> any PCHBuilding = {
        try await SandboxedBuilding(limits: $0.limits, isUnsandboxed: $0.isUnsandboxed)
    }

    public init() {}

    /// Nothing is made, and nothing is looked for but toolchains.
    public static var off: PCHOptions {
        var options = PCHOptions()
        options.isOn = false
        options.libraryRoot = nil
        return options
    }
}
