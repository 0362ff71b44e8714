internal import ArgumentParser
internal import TracingClient

/// Which headers a tool is to have.
struct ToolTreeOptions: ParsableArguments {
    @Flag(help: "The kernel's BTF as well, for tools that would else take the running kernel's.")
    var btf = false

    @OptionGroup var tree: TreeOptions

    /// - Parameter look: how close the cache is looked at.
    func headers(look: HeaderCache.Look = .files) async throws -> ReadyHeaders {
        try await tree.headers(btf: btf, look: look)
    }
}
