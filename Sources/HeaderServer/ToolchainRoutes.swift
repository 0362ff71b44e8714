import Hummingbird
import PrecompiledHeaders

/// Which clangs this server could make precompiled headers for.
struct ToolchainRoutes<Context: RequestContext> {
    let registry: ToolchainRegistry

    func add(to router: Router<Context>) {
        router.get("/v1/toolchains") { _, _ in
            try Response.json(ToolchainList(toolchains: await registry.toolchains()))
        }
    }
}
