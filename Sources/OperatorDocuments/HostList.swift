public import KernelHeaders

/// A page of the hosts whose last report was of a kernel, in the order of their IDs: the answer of
/// `GET /v1/kernels/{buildID}/hosts`.
public struct HostList: Codable, Sendable, Equatable {
    public var hosts: [HostEntry]
    /// To be sent as `cursor` for the next page; nil on the last one.
    public var next: String?

    public init(hosts: [HostEntry], next: String?) {
        self.hosts = hosts
        self.next = next
    }
}

/// A host's last report.
public struct HostEntry: Codable, Sendable, Equatable {
    public var host: HostID
    public var bootID: String
    /// The agent's name and version.
    public var agent: String
    /// Seconds since 1970.
    public var firstSeen: Int
    public var lastSeen: Int
    /// What the agent found of the kernel's headers.
    public var steps: [CollectStep]

    public init(host: HostID, bootID: String, agent: String, firstSeen: Int, lastSeen: Int, steps: [CollectStep]) {
        self.host = host
        self.bootID = bootID
        self.agent = agent
        self.firstSeen = firstSeen
        self.lastSeen = lastSeen
        self.steps = steps
    }
}
