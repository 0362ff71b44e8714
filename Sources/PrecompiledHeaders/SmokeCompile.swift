public import KernelHeaders
public import OperatorDocuments

/// "Try compiling a simple program": whether a tree's headers are of any use.
public struct SmokeCompile: Sendable {
    /// The most bytes of the compiler's words that are kept.
    public static let detailBytes = 4096

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
        var result = SmokeResult(state: .failed, compiler: toolchain.toolchain.version, time: time)
        let profile = CompilerProfile.clang(
            architecture: architecture, configuration: KernelConfiguration(tree: tree))
        do {
            let compiler = try ConfinedCompiler(
                sandbox: sandbox, toolchain: toolchain, profile: profile, architecture: architecture, tree: tree,
                scratch: scratch)
            switch try await PCHProof(compiler: compiler, scratch: scratch).withHeaders(.sched) {
            case .code: result.state = .verified
            case .failure(let messages):
                result.detail = String(decoding: messages.utf8.prefix(Self.detailBytes), as: UTF8.self)
            }
        } catch let problem as Problem {
            result.detail = problem.detail
        }
        return result
    }
}
