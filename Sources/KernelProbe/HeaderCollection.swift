public import KernelHeaders

/// What a thorough look at a host found.
public struct HeaderCollection: Sendable {
    /// One for each ``KernelHeaders/HeaderOrigin``, in their order; `deferred` is none of them.
    public let steps: [CollectStep]
    /// Nil if no place has headers of which it is certain that they are the running kernel's.
    public let headers: CollectedHeaders?
}
