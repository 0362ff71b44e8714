public import KernelHeaders
public import PrecompiledHeaders

extension ReadyHeaders {
    /// The variables that lead tools to these headers.
    public var environment: ToolEnvironment {
        ToolEnvironment(tree: path, buildID: identity.buildID, btf: btf?.path)
    }

    /// What the tree was built for; nil if it does not tell, nor a label that came with it. The tree says it better.
    public var architecture: Architecture? {
        ToolTree(source: path).architecture.map { Architecture(machine: $0) } ?? identity.architecture
    }

    /// The flags with which a compiler reads these headers as a tool does.
    ///
    /// - Throws: `Problem` with `archive-has-no-headers` if the tree does not tell what it was built for.
    public func flags(for tool: TracingTool) throws -> ToolFlags {
        guard let architecture else {
            throw Problem(
                .archiveHasNoHeaders, "\(path)/arch has not one folder with include/generated: push the headers again.")
        }
        return ToolFlags(
            for: tool, tree: path, architecture: architecture, configuration: KernelConfiguration(tree: path))
    }
}
