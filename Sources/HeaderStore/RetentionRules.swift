/// Which kernels are kept. Pinned ones are, whatever the rules.
public struct RetentionRules: Sendable, Equatable {
    /// Whether a server follows them by itself. Not unless its operator says so: what goes is truth.
    public var isOn = false
    /// For how many days a kernel is kept that no host reports any more, and nobody uploads.
    public var days = 90
    /// So many of the kernels that came last are kept in any case.
    public var newest = 3
    /// Bytes that packs and BTF may take; nil for any. Kernels go for it that were not reported for ``leastDays``.
    public var bytes: Int?

    /// What was reported so lately is kept, however full the store is.
    public static let leastDays = 7

    public init() {}
}
