public import KernelHeaders
public import OperatorDocuments
public import PrecompiledHeaders

/// What compiles headers. A seam: tests have one without a compiler.
public protocol PCHBuilding: Sendable {
    /// As ``PCHBuilder/build(_:with:tree:scratch:output:progress:)``.
    func build(
        _ order: PCHOrder, with toolchain: InstalledToolchain, tree: String, scratch: String, output: String,
        progress: @escaping @Sendable (PCHBuilder.Step) -> Void
    ) async throws -> PCHManifest

    /// As ``SmokeCompile/run(architecture:with:tree:scratch:time:)``.
    func smoke(
        architecture: Architecture, with toolchain: InstalledToolchain, tree: String, scratch: String, time: Int
    ) async throws -> SmokeResult
}

/// The compilers of this machine, in their sandbox, or without if the operator insists.
public struct SandboxedBuilding: PCHBuilding {
    private let sandbox: Sandbox

    /// - Throws: ``SandboxUnavailable``.
    public init(limits: Sandbox.Limits, isUnsandboxed: Bool) async throws {
        do {
            sandbox = try await Sandbox.find(limits: limits)
        } catch is SandboxUnavailable where isUnsandboxed {
            sandbox = try Sandbox.none(limits: limits)
        }
    }

    public func build(
        _ order: PCHOrder, with toolchain: InstalledToolchain, tree: String, scratch: String, output: String,
        progress: @escaping @Sendable (PCHBuilder.Step) -> Void
    ) async throws -> PCHManifest {
        try await PCHBuilder(sandbox: sandbox).build(
            order, with: toolchain, tree: tree, scratch: scratch, output: output, progress: progress)
    }

    public func smoke(
        architecture: Architecture, with toolchain: InstalledToolchain, tree: String, scratch: String, time: Int
    ) async throws -> SmokeResult {
        try await SmokeCompile(sandbox: sandbox).run(
            architecture: architecture, with: toolchain, tree: tree, scratch: scratch, time: time)
    }
}
