internal import KernelHeaders

/// One of the places where a host can have its running kernel's headers.
protocol HeaderPlace {
    var origin: HeaderOrigin { get }

    /// Looks without loading a module, decompressing or packing.
    ///
    /// - Returns: the size and digest of an archive that can be sent as it lies there; nil where a closer look is work that
    ///   waits until the server wants it.
    /// - Throws: ``PlaceFlaw``, or anything else that says why not.
    func survey(_ check: CancellationCheck) throws -> (bytes: Int, digest: KernelHeaders.Digest)?

    /// Looks as closely as it can, and takes the headers.
    ///
    /// - Throws: as ``survey(_:)``.
    func collect(_ check: CancellationCheck) throws -> CollectedHeaders
}

/// Throws once the work is no longer wanted; called every few milliseconds.
public typealias CancellationCheck = () throws -> Void

/// Why a place does not serve.
struct PlaceFlaw: Error {
    let outcome: CollectStep.Outcome
    let detail: String?

    init(_ outcome: CollectStep.Outcome, _ detail: String?) {
        self.outcome = outcome
        self.detail = detail
    }
}
