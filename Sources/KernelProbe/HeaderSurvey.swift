public import KernelHeaders

/// What a quick look at a host found.
public struct HeaderSurvey: Sendable, Equatable {
    /// One for each ``KernelHeaders/HeaderOrigin``, in their order.
    public let steps: [CollectStep]
    /// What the host can give, as far as a quick look tells; nil if nothing.
    public let offer: ArtefactOffer?
}
