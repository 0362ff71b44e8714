public import PrecompiledHeaders

/// Whether a tool of this host can have PCHs, and why: which clang it compiles with, and whether a server has that.
public struct PCHVerdict: Sendable, Equatable, Encodable {
    public let tool: TracingTool
    public let isPossible: Bool
    /// In a few words.
    public let reason: String

    /// - Parameters:
    ///   - tool: what it compiles with, or why that can't be told.
    ///   - list: what a server makes PCHs with, and its name; nil if none said.
    public init(_ tool: TracingTool, _ compiler: Result<PCHTool, any Error>, _ list: (ToolchainList, server: String)?) {
        self.tool = tool
        switch compiler {
        case .failure(let error): (isPossible, reason) = (false, "no, \(error)")
        case .success(let compiler):
            guard let (list, server) = list else {
                (isPossible, reason) = (
                    false, "no, no server says what it makes PCHs with; it needs \(compiler.compilerName)"
                )
                return
            }
            if let off = list.off {
                (isPossible, reason) = (false, "no, \(server) makes none: \(off)")
            } else if list.toolchains.contains(where: { compiler.fits($0.toolchain) }) {
                (isPossible, reason) = (true, "yes, \(server) has \(compiler.compilerName)")
            } else {
                (isPossible, reason) = (false, "no, \(server) does not have \(compiler.compilerName)")
            }
        }
    }
}
