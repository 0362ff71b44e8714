import Hummingbird
import PrecompiledHeaders

/// Which clangs this server could make precompiled headers for.
struct ToolchainRoutes<Context: RequestContext> {
    let registry: ToolchainRegistry

    func add(to router: Router<Context>) {
        router.get("/v1/toolchains") { _, _ in
            let toolchains = await registry.toolchains().map { ToolchainList.Entry(toolchain: $0, profiles: []) }
            return try Response.json(ToolchainList(toolchains: toolchains, umbrellas: Umbrella.standard, off: nil))
        }
    }
}
