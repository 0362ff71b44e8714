public import KernelHeaders

/// All that a server knows of one kernel: the answer of `GET /v1/kernels/{buildID}`.
public struct KernelDetail: Codable, Sendable, Equatable {
    /// Its members stand beside the others in the JSON form.
    public var entry: KernelEntry
    /// What can be downloaded, in the order: headers, BTF, PCHs.
    public var artefacts: [KernelArtefact]
    /// Why there are no headers, in a sentence; nil if there are.
    public var absence: String?
    /// What the agents of the hosts that run it found, the most frequent first; at most ``maximumReports``.
    public var reports: [AgentReport]
    /// Other headers and BTF under the same build ID, with the hosts on each side; nil if there are none.
    public var conflict: KernelConflict?
    /// Bytes that the headers added to the store when they came, manifest included; nil if there are none, or they have
    /// been packed together with others since.
    public var addedBytes: Int?
    /// What damage of the server's disk took of it; nil if nothing, or all of it came back.
    public var damage: KernelDamage?

    /// The most ``reports``.
    public static let maximumReports = 5

    public init(
        entry: KernelEntry, artefacts: [KernelArtefact], absence: String? = nil, reports: [AgentReport] = [],
        conflict: KernelConflict? = nil, addedBytes: Int? = nil
    ) {
        self.entry = entry
        self.artefacts = artefacts
        self.absence = absence
        self.reports = reports
        self.conflict = conflict
        self.addedBytes = addedBytes
    }

    private enum CodingKeys: String, CodingKey { case artefacts, absence, reports, conflict, addedBytes, damage }

    public init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        entry = try KernelEntry(from: decoder)
        // An older server has the kernel's summary only.
        artefacts = try values.decodeIfPresent([KernelArtefact].self, forKey: .artefacts) ?? []
        absence = try values.decodeIfPresent(String.self, forKey: .absence)
        reports = try values.decodeIfPresent([AgentReport].self, forKey: .reports) ?? []
        conflict = try values.decodeIfPresent(KernelConflict.self, forKey: .conflict)
        addedBytes = try values.decodeIfPresent(Int.self, forKey: .addedBytes)
        damage = try values.decodeIfPresent(KernelDamage.self, forKey: .damage)
    }

    public func encode(to encoder: any Encoder) throws {
        try entry.encode(to: encoder)
        var values = encoder.container(keyedBy: CodingKeys.self)
        try values.encode(artefacts, forKey: .artefacts)
        try values.encodeIfPresent(absence, forKey: .absence)
        try values.encode(reports, forKey: .reports)
        try values.encodeIfPresent(conflict, forKey: .conflict)
        try values.encodeIfPresent(addedBytes, forKey: .addedBytes)
        try values.encodeIfPresent(damage, forKey: .damage)
    }
}

/// Something of a kernel that can be downloaded.
public struct KernelArtefact: Codable, Sendable, Equatable {
    public enum Kind: String, Codable, Sendable { case headers, btf, pch }

    public var kind: Kind
    /// Where, on the server: `/buildid/…/headers.tar.zst`.
    public var path: String
    /// Of what is downloaded. Nil if it is not at hand, and will be made when it is asked for.
    public var bytes: Int?
    /// SHA-256 of what is downloaded; nil as for ``bytes``.
    public var digest: Digest?
    /// Bytes on the server's disk, where that keeps it in another form.
    public var storedBytes: Int?
    /// Of a PCH: for which clang it is (`GET /v1/toolchains` has some), what it compiles as, which headers are in it, and who
    /// made it (`server`, `builder`).
    public var toolchain: Digest?
    public var profile: String?
    public var umbrella: String?
    public var rank: String?

    public init(
        _ kind: Kind, path: String, bytes: Int? = nil, digest: Digest? = nil, storedBytes: Int? = nil,
        toolchain: Digest? = nil, profile: String? = nil, umbrella: String? = nil, rank: String? = nil
    ) {
        self.kind = kind
        self.path = path
        self.bytes = bytes
        self.digest = digest
        self.storedBytes = storedBytes
        self.toolchain = toolchain
        self.profile = profile
        self.umbrella = umbrella
        self.rank = rank
    }
}

/// What agents found of a kernel's headers, and how many of them.
public struct AgentReport: Codable, Sendable, Equatable {
    /// Hosts of which this is the last report.
    public var hosts: Int
    public var steps: [CollectStep]

    public init(hosts: Int, steps: [CollectStep]) {
        self.hosts = hosts
        self.steps = steps
    }
}
