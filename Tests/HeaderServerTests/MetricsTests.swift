import HTTPTypes
import HeaderStore
import Hummingbird
import KHeaderTestSupport
import KernelHeaders
import Testing

@testable import HeaderServer

/// `/metrics`: names, labels, and that they count what happens.
@Suite struct MetricsTests {
    /// The samples of the server's metrics.
    private func samples(_ server: RunningServer) async throws -> [String: Double] {
        let answer = try await server.get("/metrics")
        #expect(answer.status == 200)
        #expect(answer["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8")
        var samples: [String: Double] = [:]
        for line in answer.text.split(separator: "\n") where !line.hasPrefix("#") {
            let space = try #require(line.lastIndex(of: " "))
            let value = try #require(Double(line[line.index(after: space)...]), "\(line)")
            #expect(samples.updateValue(value, forKey: String(line[..<space])) == nil, "\(line) comes twice")
        }
        return samples
    }

    @Test func requestsAreCountedByKind() async throws {
        try await withRunningServer { server in
            try await server.upload()
            let source = "/buildid/\(TestKernels.id)/source/include/linux/sched.h"
            let size = try await server.get(source).body.count
            _ = try await server.get(source)
            _ = try await server.head(source)
            _ = try await server.get("\(source).none")
            _ = try await server.get("/buildid/\(TestKernels.id)/section/.BTF")
            _ = try await server.get("/nowhere/secret-\(TestKernels.otherID)")
            let samples = try await samples(server)
            #expect(samples[#"http_requests_total{type="source"}"#] == 4)
            #expect(samples[#"http_requests_total{type="section"}"#] == 1)
            #expect(samples[#"http_requests_total{type="unknown"}"#] == 1)
            #expect(samples[#"http_requests_total{type="/v1/kernels/{buildID}/headers"}"#] == 1)
            #expect(samples[#"http_responses_total{result="success"}"#] == 4)
            #expect(samples[#"http_responses_total{result="error"}"#] == 3)
            let labels = #"{code="200",type="source"}"#
            #expect(samples["http_responses_transfer_bytes_count\(labels)"] == 3)
            // HEAD transfers nothing.
            #expect(samples["http_responses_transfer_bytes_sum\(labels)"] == Double(2 * size))
            #expect(samples["http_responses_duration_milliseconds_count\(labels)"] == 3)
            #expect(samples["http_responses_duration_milliseconds_sum\(labels)"].map { $0 >= 0 } == true)
            #expect(samples[#"http_responses_transfer_bytes_count{code="404",type="unknown"}"#] == 1)
            let ratio = try #require(samples[#"filesys_free_ratio{purpose="database"}"#])
            #expect((0...1).contains(ratio))
            #expect(!samples.keys.contains { $0.hasPrefix("error_count") })
        }
    }

    @Test func noLabelHasWhatARequestSays() async throws {
        try await withRunningServer { server in
            try await server.upload()
            for path in [
                "/v1/kernels/\(TestKernels.id)", "/buildid/\(TestKernels.id)/headers.tar", "/x/\(TestKernels.id)",
                "/buildid/\(TestKernels.id)/\(TestKernels.id)", "/buildid/\(TestKernels.id)/section/\(TestKernels.id)",
            ] {
                _ = try await server.get(path)
            }
            _ = try await server.request("DELETE", "/v1/kernels/\(TestKernels.id)")
            #expect(try await !server.get("/metrics").text.contains(TestKernels.id))
        }
    }

    @Test func theStoresFiguresAreThere() async throws {
        try await withRunningServer { server in
            try await server.upload()
            try await server.upload(TestKernels.nextBuild.tar, as: TestKernels.otherID)
            #expect(try await server.put("/v1/kernels/ab/btf", SmallBTF.bytes()).status == 201)
            _ = try await server.get("/buildid/\(TestKernels.id)/headers.tar.gz")
            let status: StoreStatus = try await server.get("/v1/store").decoded()
            let samples = try await samples(server)
            for (name, value) in [
                ("kernels", 2), ("trees", 2), ("conflicts", 0), ("packs", 2), ("btf_kernels", 1),
                ("blobs", status.blobs), ("raw_bytes", status.rawBytes), ("pack_bytes", status.packBytes),
                ("bundle_bytes", status.bundleBytes), ("btf_bytes", status.btfBytes),
            ] {
                #expect(samples["kheaderd_\(name)"] == Double(value), "\(name)")
            }
            #expect(status.btfBytes > 0 && status.bundleBytes > 0)
        }
    }

    @Test func failuresOfTheServerAreErrors() async throws {
        let files = WatchedFileSystem()
        try await withRunningServer(options: { $0.files = files }) { server in
            files.fail(5)
            #expect(try await server.put("/v1/kernels/ab/btf", SmallBTF.bytes()).status == 500)
            let samples = try await samples(server)
            #expect(samples[#"error_count{code="500"}"#] == 1)
        }
    }

    @Test(arguments: [
        ("/buildid/{buildID}/headers.tar.zst", "headers"), ("/trees/{treeDigest}/headers.tar", "headers"),
        ("/buildid/{buildID}/source/**", "source"), ("/buildid/{buildID}/section/{section}", "section"),
        ("/buildid/{buildID}/debuginfo", "debuginfo"), ("/buildid/{buildID}/manifest.json", "manifest"),
        ("/metrics", "metrics"), ("/metadata", "metadata"), ("/v1/store", "/v1/store"), ("/livez", "/livez"),
    ])
    func typesAreThoseOfDebuginfod(route: String, type: String) {
        #expect(MetricsMiddleware<ServerRequestContext>.type(ofRoute: route) == type)
    }

    @Test func theTextIsAsPrometheusReadsIt() {
        let registry = MetricsRegistry()
        registry.count("b_total", .init(["x": "2", "y": "z"]))
        registry.count("b_total", .init(["x": "1", "y": "z"]))
        registry.count("b_total", .init(["x": "1", "y": "z"]))
        registry.observe("c", .init(), 5)
        registry.observe("c", .init(), 7)
        let text = registry.text(gauges: [("a_ratio", .init(["p": "q"]), 0.5)])
        #expect(
            text == """
                # TYPE a_ratio gauge
                a_ratio{p="q"} 0.5
                # TYPE b_total counter
                b_total{x="1",y="z"} 2
                b_total{x="2",y="z"} 1
                # TYPE c summary
                c_sum 12
                c_count 2

                """)
    }
}
