import HTTPTypes
import HeaderStore
import Hummingbird
import KernelHeaders
import NIOCore

/// `/metrics`, for Prometheus.
struct MetricsRoutes<Context: RequestContext> {
    let store: HeaderStore
    let registry: MetricsRegistry
    let pch: PCHService

    func add(to router: Router<Context>) {
        router.get("/metrics") { _, _ in
            let text = registry.text(gauges: try await gauges())
            return Response(
                status: .ok,
                headers: [.contentType: "text/plain; version=0.0.4; charset=utf-8", .cacheControl: "no-store"],
                body: .init(byteBuffer: ByteBuffer(string: text)))
        }
    }

    private func gauges() async throws -> [(name: String, labels: MetricsRegistry.Labels, value: Double)] {
        let status = try await store.status()
        let builds = await pch.figures
        let own = [
            ("kernels", status.kernels), ("trees", status.trees), ("conflicts", status.conflicts),
            ("blobs", status.blobs), ("packs", status.packs), ("btf_kernels", status.btfKernels),
            ("raw_bytes", status.rawBytes), ("pack_bytes", status.packBytes),
            ("catalogue_bytes", status.catalogueBytes), ("bundle_bytes", status.bundleBytes),
            ("btf_bytes", status.btfBytes), ("hosts", status.hosts), ("claims", store.liveClaims),
            ("pchs", status.pchs ?? 0), ("pch_bytes", status.pchBytes ?? 0), ("pch_builds_waiting", builds.waiting),
            ("pch_builds_running", builds.running),
        ]
        // debuginfod calls the disk of its database so; this server's has everything else as well.
        let free = ("filesys_free_ratio", MetricsRegistry.Labels(["purpose": "database"]), try store.freeRatio())
        return [free] + own.map { ("kheaderd_\($0.0)", .init(), Double($0.1)) }
    }
}
