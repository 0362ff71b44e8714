public import KernelHeaders

/// Why a PCH could not be made.
public struct PCHFailure: Sendable, Equatable {
    /// The most bytes of ``detail`` that are kept.
    public static let detailBytes = 4096

    public let code: ProblemCode
    public let detail: String
    /// Seconds since 1970.
    public let time: Int
}
