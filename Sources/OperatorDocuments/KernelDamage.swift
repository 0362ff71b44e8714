public import KernelHeaders

/// What damage of a server's disk took of a kernel, and no upload has brought back yet.
public struct KernelDamage: Codable, Sendable, Equatable {
    /// What, and what brings it back: for people.
    public var detail: String
    /// Files of the headers whose contents are lost: how many, and the first ``StoreDamage/maximumNames`` of them. None if it
    /// is the list of files that is lost, or the BTF.
    public var pathCount: Int
    public var paths: [String]

    public init(detail: String, paths: [HeaderPath] = []) {
        self.detail = detail
        pathCount = paths.count
        self.paths = paths.prefix(StoreDamage.maximumNames).map(\.string)
    }
}
