public import KernelHeaders

/// "Try compiling a simple program": whether a tree's headers are of any use.
public struct SmokeCompile: Sendable {
    private let sandbox: Sandbox

    public init(sandbox: Sandbox) { self.sandbox = sandbox }

    /// - Parameters:
    ///   - tree: the folder with the tree, unpacked.
    ///   - scratch: an empty folder of this compile's own; the caller removes it.
    ///   - time: now, in seconds since 1970.
    /// - Throws: `CancellationError`; `SystemCallError`. What the headers are to blame for is in the result.
    public func run(
        architecture: Architecture, with toolchain: InstalledToolchain, tree: String, scratch: String, time: Int
    ) async throws -> SmokeResult {
        fatalError("being written")
    }
}
