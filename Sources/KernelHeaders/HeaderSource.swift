/// Where a kernel's headers came from, in the order of trust: `agent < agreed < push < import`. A client can demand a rank.
public enum HeaderSource: String, Codable, Sendable, CaseIterable, Comparable {
    /// A source that this program's version does not know: a newer server may have ranks in between. Trusted least of
    /// all, so that no demand is met by mistake; nobody may upload as it, and it is not among ``allCases``.
    case unknown
    /// A host's agent: the word of one host.
    case agent
    /// A host's agent, and the agents of other hosts say the same. Given by the server; only operators may upload as it, who
    /// bring kernels over from another server.
    case agreed
    /// A person with `kheader push`, or curl.
    case push
    /// A distribution's packages, whose image carries the build ID.
    case `import`

    /// Those that a client may demand, weakest word first.
    public static let allCases: [HeaderSource] = [.agent, .agreed, .push, .import]
    /// Those that an upload may name.
    public static let uploadable: [HeaderSource] = [.agent, .agreed, .push, .import]

    /// What has no name here becomes ``unknown``: one kernel must not make a whole list unreadable.
    public init(from decoder: any Decoder) throws {
        self = HeaderSource(rawValue: try decoder.singleValueContainer().decode(String.self)) ?? .unknown
    }

    public static func < (one: HeaderSource, other: HeaderSource) -> Bool { one.rank < other.rank }

    /// The position in the order of trust; 0 for ``unknown``.
    private var rank: Int { (Self.allCases.firstIndex(of: self) ?? -1) + 1 }
}
