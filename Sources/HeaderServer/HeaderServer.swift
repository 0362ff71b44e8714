public import HeaderStore
import HTTPTypes
public import Hummingbird
import HummingbirdCore
public import Logging
import NIOCore
public import PrecompiledHeaders
import UnixSignals

/// The server put together from values: `kheaderd serve` and the tests call the same function.
public enum HeaderServer {
    /// The routes, without a socket.
    public static func router(
        store: HeaderStore, access: AccessControl, toolchains: ToolchainRegistry = ToolchainRegistry()
    ) -> Router<ServerRequestContext> {
        router(store: store, access: access, toolchains: toolchains, table: RouteTable())
    }

    private static func router(
        store: HeaderStore, access: AccessControl, toolchains: ToolchainRegistry, table: RouteTable
    ) -> Router<ServerRequestContext> {
        let router = Router(context: ServerRequestContext.self, options: [.autoGenerateHeadEndpoints])
        let metrics = MetricsRegistry()
        router.add(middleware: MetricsMiddleware(registry: metrics))
        router.add(middleware: ProblemMiddleware(routes: table))
        router.add(middleware: AccessMiddleware(access: access))
        KernelRoutes(store: store).add(to: router)
        SightingRoutes(store: store, registry: metrics).add(to: router)
        TreeRoutes(store: store).add(to: router)
        BTFRoutes(store: store).add(to: router)
        MetadataRoutes(store: store).add(to: router)
        ToolchainRoutes(registry: toolchains).add(to: router)
        MetricsRoutes(store: store, registry: metrics).add(to: router)
        HealthRoutes(store: store).add(to: router)
        table.fill(
            router.routes.flatMap { route in
                [(route.path, route.method)] + (route.method == .get ? [(route.path, .head)] : [])
            })
        return router
    }

    /// Serves a store until the task is cancelled, or a signal ends the process.
    ///
    /// - Parameters:
    ///   - access: who may ask for what.
    ///   - endsOnSignals: on SIGTERM or SIGINT, take no new connections and return when the requests under way are answered.
    ///   - onListening: is called with the address once connections are taken; the port is the real one.
    public static func run(
        store: HeaderStore, access: AccessControl, address: ListenAddress, logger: Logger, endsOnSignals: Bool,
        onListening: @escaping @Sendable (ListenAddress) async -> Void
    ) async throws {
        let table = RouteTable()
        let application = Application(
            router: router(store: store, access: access, toolchains: ToolchainRegistry(), table: table),
            server: .http1(
                configuration: .init(
                    additionalChannelHandlers: [
                        MalformedRequestHandler(), ConnectionCloseHandler(),
                        ExpectContinueHandler(limit: store.uploadLimit) { access.admits($0, table) },
                    ],
                    idleTimeout: .seconds(60))),
            configuration: .init(address: address.bindAddress, serverName: "kheaderd"),
            onServerRunning: { channel in
                var address = address
                if case .tcp(let host, _) = address, let port = channel.localAddress?.port {
                    address = .tcp(host: host, port: port)
                }
                await onListening(address)
            }, logger: logger)
        try await application.runService(gracefulShutdownSignals: endsOnSignals ? [.sigterm, .sigint] : [])
    }
}
