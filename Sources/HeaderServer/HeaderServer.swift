import Glibc
public import HeaderStore
import HTTPTypes
public import Hummingbird
import HummingbirdCore
public import Logging
import NIOCore
import PrecompiledHeaders
import ServiceLifecycle
import UnixSignals

/// The server put together from values: `kheaderd serve` and the tests call the same function.
public enum HeaderServer {
    /// The routes, without a socket.
    public static func router(
        store: HeaderStore, access: AccessControl, uploads limits: UploadLimits = UploadLimits(),
        pch options: PCHOptions = .off
    ) -> Router<ServerRequestContext> {
        let metrics = MetricsRegistry()
        let logger = Logger(label: "kheaderd") { _ in SwiftLogNoOpLogHandler() }
        let service = PCHService(store: store, options: options, metrics: metrics, logger: logger)
        return router(
            store: store, access: access, uploads: UploadSessions(limits), metrics: metrics, pch: service,
            pchBytes: options.limits.outputBytes, accessLog: false, lifecycle: ServerLifecycle(drainSeconds: 0))
    }

    private static func router(
        store: HeaderStore, access: AccessControl, uploads sessions: UploadSessions, metrics: MetricsRegistry,
        pch service: PCHService, pchBytes: Int, accessLog: Bool, lifecycle: ServerLifecycle
    ) -> Router<ServerRequestContext> {
        let router = Router(context: ServerRequestContext.self, options: [.autoGenerateHeadEndpoints])
        let table = RouteTable()
        router.add(middleware: SpanMiddleware())
        if accessLog { router.add(middleware: AccessLogMiddleware()) }
        router.add(middleware: MetricsMiddleware(registry: metrics))
        router.add(middleware: ProblemMiddleware(routes: table))
        router.add(middleware: AccessMiddleware(access: access))
        router.add(middleware: ExpectContinueMiddleware())
        let uploads = UploadRoutes(sessions: sessions)
        uploads.add(to: router)
        KernelRoutes(store: store, uploads: uploads, pch: service).add(to: router)
        FleetRoutes(store: store).add(to: router)
        RetentionRoutes(store: store).add(to: router)
        SightingRoutes(store: store, registry: metrics).add(to: router)
        TreeRoutes(store: store).add(to: router)
        BTFRoutes(store: store, uploads: uploads).add(to: router)
        MetadataRoutes(store: store).add(to: router)
        PCHRoutes(store: store, service: service, limit: pchBytes).add(to: router)
        ProfileRoutes(store: store, service: service).add(to: router)
        ToolchainRoutes(service: service).add(to: router)
        MetricsRoutes(store: store, registry: metrics, pch: service, uploads: sessions).add(to: router)
        HealthRoutes(store: store, lifecycle: lifecycle).add(to: router)
        OpenAPIRoutes().add(to: router)
        PageRoutes(store: store, pch: service).add(to: router)
        UpkeepRoutes(store: store).add(to: router)
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
    ///   - uploads: the bounds of uploads in several requests.
    ///   - pch: how precompiled headers are made.
    ///   - serving: what is done with all requests.
    ///   - onListening: is called with the address once connections are taken; the port is the real one.
    /// - Throws: ``ListenError``.
    public static func run(
        store: HeaderStore, access: AccessControl, address: ListenAddress,
        uploads limits: UploadLimits = UploadLimits(), pch options: PCHOptions = .off,
        serving: ServingOptions = ServingOptions(), logger: Logger, endsOnSignals: Bool,
        onListening: @escaping @Sendable (ListenAddress) async -> Void
    ) async throws {
        let sessions = UploadSessions(limits)
        let metrics = MetricsRegistry()
        let service = PCHService(store: store, options: options, metrics: metrics, logger: logger)
        let lifecycle = ServerLifecycle(drainSeconds: serving.drainSeconds)
        let name = "kheaderd"
        // Not where each answer is told of: that is the middlewares' work.
        let requests =
            serving.accessLog || ServerTracer.recordsAll
            ? nil : KnownRequests(PromptAnswers(store: store, access: access, metrics: metrics, server: name))
        let application = Application(
            router: router(
                store: store, access: access, uploads: sessions, metrics: metrics, pch: service,
                pchBytes: options.limits.outputBytes, accessLog: serving.accessLog, lifecycle: lifecycle),
            server: HTTPServerBuilder { responder in
                let configuration = HTTP1Channel.Configuration(
                    additionalChannelHandlers: [ConnectionCloseHandler()], idleTimeout: .seconds(60))
                return PromptChannel(
                    base: HTTP1Channel(responder: responder, configuration: configuration), requests: requests)
            },
            configuration: .init(address: address.bindAddress, serverName: name),
            onServerRunning: { channel in
                var address = address
                if case .tcp(let host, _) = address, let port = channel.localAddress?.port {
                    address = .tcp(host: host, port: port)
                }
                await onListening(address)
            }, logger: logger)
        let expiry = Task { try await sessions.expireForEver() }
        let retention = Task { await RetentionTask(store: store, logger: logger).run() }
        let upkeep = [Task { await store.verifyForEver() }, Task { await store.repackForEver() }]
        await service.start()
        let result = await Result {
            let services = ServiceGroupConfiguration(
                services: [application, lifecycle],
                gracefulShutdownSignals: endsOnSignals ? [.sigterm, .sigint] : [], logger: logger)
            try await ServiceGroup(configuration: services).run()
        }
        expiry.cancel()
        retention.cancel()
        await retention.value
        for task in upkeep { task.cancel() }
        await store.stopUpkeep()
        for task in upkeep { await task.value }
        // What goes on without its client may use the store until here.
        await sessions.close()
        await service.close()
        do { try result.get() } catch let error as IOError {
            throw ListenError(address, String(cString: strerror(error.errnoCode)))
        }
    }
}

extension Result where Failure == any Error {
    fileprivate init(_ body: () async throws -> Success) async {
        do { self = .success(try await body()) } catch { self = .failure(error) }
    }
}
