internal import KernelHeaders
public import PrecompiledHeaders

extension ReadyHeaders {
    /// The variables that lead tools to these headers.
    public var environment: ToolEnvironment {
        ToolEnvironment(tree: path, buildID: identity.buildID, btf: btf?.path)
    }

    /// The flags with which a compiler reads these headers as a tool does.
    ///
    /// - Throws: `Problem` with `archive-has-no-headers` if the tree does not tell what it was built for.
    public func flags(for tool: TracingTool) throws -> ToolFlags {
        // The tree says it better than a label that came with it.
        let folder = ToolTree(source: path).architecture.map { Architecture(machine: $0) }
        guard let architecture = folder ?? identity.architecture else {
            throw Problem(
                .archiveHasNoHeaders, "\(path)/arch has not one folder with include/generated: push the headers again.")
        }
        return ToolFlags(
            for: tool, tree: path, architecture: architecture, configuration: KernelConfiguration(tree: path))
    }
}
