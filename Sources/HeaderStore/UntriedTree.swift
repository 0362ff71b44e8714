public import KernelHeaders

/// A tree with which no small program was compiled yet.
public struct UntriedTree: Sendable, Equatable {
    public let digest: Digest
    /// Nil if neither the tree nor who sent it says it.
    public let architecture: Architecture?
    /// When the newest kernel that has it was first seen, in seconds since 1970.
    public let firstSeen: Int
}
