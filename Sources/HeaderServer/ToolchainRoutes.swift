import Hummingbird
import PrecompiledHeaders

/// What precompiled headers this server can make, or why it makes none.
struct ToolchainRoutes<Context: RequestContext> {
    let service: PCHService

    func add(to router: Router<Context>) {
        router.get("/v1/toolchains") { _, _ in try Response.json(try await service.list()) }
    }
}
