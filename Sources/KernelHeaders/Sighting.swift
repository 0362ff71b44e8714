/// An agent's report that its host runs a kernel, and what it could upload of it: the body of
/// `POST /v1/kernels/{buildID}/sightings`.
public struct Sighting: Codable, Sendable, Equatable {
    /// The most bytes of its JSON form that a server takes.
    public static let maximumBytes = 64 << 10
    /// The longest ``bootID`` and ``agent`` taken, in bytes.
    public static let maximumNameLength = 128

    public var host: HostID
    /// `/proc/sys/kernel/random/boot_id`.
    public var bootID: String
    /// The agent's name and version: `kheader-agent/0.1.0`.
    public var agent: String
    /// The build ID is that of the path.
    public var kernel: KernelIdentity
    /// What was found where, one for each place looked at, in the order of ``HeaderOrigin``.
    public var steps: [CollectStep]
    /// At most one an artefact. An artefact that is not offered is one that this host cannot give: what it had claimed of
    /// it is free again.
    public var offers: [ArtefactOffer]

    public init(
        host: HostID, bootID: String, agent: String, kernel: KernelIdentity, steps: [CollectStep],
        offers: [ArtefactOffer]
    ) {
        self.host = host
        self.bootID = bootID
        self.agent = agent
        self.kernel = kernel
        self.steps = steps
        self.offers = offers
    }
}
