import HTTPTypes
import HeaderStore
import Hummingbird
import KernelHeaders
import NIOCore
import OperatorDocuments

/// `/metrics`, for Prometheus.
struct MetricsRoutes<Context: RequestContext> {
    let store: HeaderStore
    let registry: MetricsRegistry
    let pch: PCHService
    let uploads: UploadSessions

    func add(to router: Router<Context>) {
        router.get("/metrics") { _, _ in
            let text = registry.text(gauges: try await gauges())
            return Response(
                status: .ok,
                headers: [.contentType: "text/plain; version=0.0.4; charset=utf-8", .cacheControl: "no-store"],
                body: .init(byteBuffer: ByteBuffer(string: text)))
        }
    }

    private func gauges() async throws -> [MetricsRegistry.Gauge] {
        let (status, coverage) = (try await store.status(), try await store.coverage(limit: 1))
        let builds = await pch.figures
        let lacking = { (count: Coverage.Count) in
            [("headers", count.all - count.headers), ("btf", count.all - count.btf), ("pch", count.all - count.pch)]
        }
        let own: [(String, Int)] = [
            ("kernels", status.kernels), ("trees", status.trees), ("conflicts", status.conflicts),
            ("blobs", status.blobs), ("packs", status.packs), ("btf_kernels", status.btfKernels),
            ("raw_bytes", status.rawBytes), ("pack_bytes", status.packBytes),
            ("catalogue_bytes", status.catalogueBytes), ("bundle_bytes", status.bundleBytes),
            ("btf_bytes", status.btfBytes), ("hosts", status.hosts), ("claims", store.liveClaims),
            ("pchs", status.pchs ?? 0), ("pch_bytes", status.pchBytes ?? 0), ("pch_builds_waiting", builds.waiting),
            ("pch_builds_running", builds.running), ("uploads", uploads.count),
            ("disk_free_bytes", status.diskFreeBytes ?? 0),
            ("disk_reserved_bytes", status.diskReservedBytes ?? 0), ("read_only", status.isReadOnly == true ? 1 : 0),
            ("damaged_kernels", status.damagedKernels ?? 0), ("lost_btf_kernels", status.lostBTF ?? 0),
            ("lost_blobs", status.lostBlobs ?? 0), ("quarantined_files", status.quarantined ?? 0),
            ("quarantined_bytes", status.quarantinedBytes ?? 0), ("loose_packs", status.loosePacks ?? 0),
            ("loose_pack_bytes", status.loosePackBytes ?? 0), ("verify_findings", store.verification.lastFound),
            ("hosts_of_one_token", try await store.mostHostsOfToken()),
            ("hosts_of_one_token_limit", store.hostsOfTokenLimit),
            ("running_kernels", coverage.kernels.all), ("running_hosts", coverage.hosts.all),
        ]
        var gauges = [
            // debuginfod calls the disk of its database so; this server's has everything else as well.
            MetricsRegistry.Gauge(
                name: "filesys_free_ratio", labels: .init(["purpose": "database"]), value: try store.freeRatio())
        ]
        gauges += own.map { MetricsRegistry.Gauge(name: "kheaderd_\($0.0)", value: Double($0.1)) }
        if let time = store.verification.lastWhole {
            gauges.append(.init(name: "kheaderd_verify_ended_timestamp_seconds", value: Double(time)))
        }
        for (name, count) in [("kernels", coverage.kernels), ("hosts", coverage.hosts)] {
            gauges += lacking(count).map { artefact, count in
                MetricsRegistry.Gauge(
                    name: "kheaderd_running_\(name)_lacking", labels: .init(["artefact": artefact]),
                    value: Double(count))
            }
        }
        return gauges
    }
}
