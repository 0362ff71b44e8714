internal import KernelHeaders

/// Makes PCHs, and proves each before it is given out.
public struct PCHBuilder: Sendable {
    /// What came of it. The file is at the path that was asked for.
    public struct Product: Sendable {
        public var manifest: PCHManifest
    }

    /// Where a build is.
    public struct Step: Sendable {
        /// In a few words: `compiling`.
        public var name: String
        /// From 1.
        public var number: Int
        public var count: Int
    }

    private let sandbox: Sandbox

    public init(sandbox: Sandbox) { self.sandbox = sandbox }

    /// - Parameters:
    ///   - toolchain: the order's, of this machine.
    ///   - tree: the folder with the order's tree, unpacked.
    ///   - scratch: an empty folder of this build's own; the caller removes it.
    ///   - output: the file that is made; nothing is left there if this throws.
    /// - Throws: `Problem` with `pch-build-failed`, `pch-pair-refused`, `pch-limit`; `CancellationError`; `SystemCallError`.
    public func build(
        _ order: PCHOrder, with toolchain: InstalledToolchain, tree: String, scratch: String, output: String,
        progress: @escaping @Sendable (Step) -> Void = { _ in }
    ) async throws -> Product {
        fatalError("being written")
    }
}
