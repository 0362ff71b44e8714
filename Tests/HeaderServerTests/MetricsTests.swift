import HTTPTypes
import HeaderArchive
import HeaderStore
import Hummingbird
import KHeaderTestSupport
import KernelHeaders
import OperatorDocuments
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
            #expect(samples[#"error_count{code="500"}"#] == 0)
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

    @Test func damageIsCountedUntilItIsBack() async throws {
        try await withRunningServer { server in
            try await server.upload()
            #expect(try await server.put("/v1/kernels/ab/btf", SmallBTF.bytes()).status == 201)
            let state = server.folder.path("store")
            func damage() async throws -> [Double?] {
                let figures = try await samples(server)
                return [
                    "damaged_kernels", "lost_btf_kernels", "quarantined_files", "verify_findings",
                ].map { figures["kheaderd_\($0)"] }
            }
            #expect(try await damage() == [0, 0, 0, 0])
            #expect(try await samples(server)["kheaderd_verify_ended_timestamp_seconds"] == nil)
            for folder in ["packs", "btf"] {
                let name = try #require(try FolderListing.names(in: "\(state)/\(folder)").first)
                var bytes = try FileSource(path: "\(state)/\(folder)/\(name)").readAll()
                bytes[folder == "packs" ? 40 : bytes.count / 2] ^= 1
                try TemporaryFolder.write(bytes, to: "\(state)/\(folder)/\(name)")
            }
            let ended = try #require(try await server.store.verify().ended)
            #expect(try await damage() == [1, 1, 2, 2])
            let figures = try await samples(server)
            #expect(figures["kheaderd_lost_blobs"].map { $0 > 0 } == true)
            #expect(figures["kheaderd_quarantined_bytes"].map { $0 > 0 } == true)
            #expect(figures["kheaderd_verify_ended_timestamp_seconds"] == Double(ended))
            #expect(try await server.put("/v1/kernels/\(TestKernels.id)/headers", TestKernels.tar).status == 200)
            #expect(try await server.put("/v1/kernels/ab/btf", SmallBTF.bytes()).status == 201)
            #expect(try await damage() == [0, 0, 2, 2])
            _ = try await server.store.verify()
            #expect(try await damage() == [0, 0, 2, 0])
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
        #expect(MetricsRegistry.State.type(ofRoute: route) == type)
    }

    @Test func theTextIsAsPrometheusReadsIt() {
        let registry = MetricsRegistry()
        registry.count("b_total", .init(["x": "2", "y": "z"]))
        registry.count("b_total", .init(["x": "1", "y": "z"]))
        registry.count("b_total", .init(["x": "1", "y": "z"]))
        registry.observe("c", .init(), 5)
        registry.observe("c", .init(), 7)
        registry.time("d_seconds", .init(["r": "/"]), .milliseconds(1))
        registry.time("d_seconds", .init(["r": "/"]), .milliseconds(2))
        registry.time("d_seconds", .init(["r": "/"]), .seconds(31))
        let text = registry.text(gauges: [
            .init(name: "a_ratio", labels: .init(["p": "q"]), value: 0.5),
            .init(name: "a_ratio", labels: .init(["p": "r"]), value: 1),
            .init(name: "kheaderd_kernels", value: 3),
        ])
        let buckets = MetricsRegistry.bounds.map { bound in
            "d_seconds_bucket{r=\"/\",le=\"\(bound)\"} \(bound < 0.002 ? 1 : 2)\n"
        }.joined()
        #expect(
            text == """
                # TYPE a_ratio gauge
                a_ratio{p="q"} 0.5
                a_ratio{p="r"} 1.0
                # HELP kheaderd_kernels Kernels whose headers are here.
                # TYPE kheaderd_kernels gauge
                kheaderd_kernels 3.0
                # TYPE b_total counter
                b_total{x="1",y="z"} 2
                b_total{x="2",y="z"} 1
                # TYPE c summary
                c_sum 12
                c_count 2
                # TYPE d_seconds histogram
                \(buckets)d_seconds_bucket{r="/",le="+Inf"} 3
                d_seconds_sum{r="/"} 31.003
                d_seconds_count{r="/"} 3

                """)
    }

    @Test func whatRunsAndLacksSomethingIsCounted() async throws {
        try await withRunningServer { server in
            try await server.upload()
            for (host, id) in [(1, TestKernels.id), (2, TestKernels.otherID), (3, TestKernels.otherID)] {
                let json = TestSightings.json(host: UInt8(host), of: id)
                #expect(try await server.post("/v1/kernels/\(id)/sightings", json).status == 200)
            }
            let begun = try await server.request(
                "PUT", "/v1/kernels/ab/headers", ["Upload-Complete: ?0", "Upload-Length: 7"], body: [])
            #expect(begun.status == 201)
            let other = try await server.request(
                "PUT", "/v1/kernels/ac/btf", ["Upload-Complete: ?0"], body: SmallBTF.bytes())
            let end = [
                "Upload-Complete: ?1", "Upload-Offset: \(SmallBTF.bytes().count)",
                "Content-Type: application/partial-upload",
            ]
            let ended = try await server.request("PATCH", try #require(other["Location"]), end, body: [])
            #expect(ended.status == 201)
            let samples = try await samples(server)
            for (name, value) in [
                ("running_kernels", 2), ("running_hosts", 3), (#"running_kernels_lacking{artefact="headers"}"#, 1),
                (#"running_hosts_lacking{artefact="headers"}"#, 2), (#"running_hosts_lacking{artefact="btf"}"#, 3),
                (#"running_kernels_lacking{artefact="pch"}"#, 2), ("uploads", 1), ("read_only", 0),
                ("sightings_total", 3),
            ] {
                #expect(samples["kheaderd_\(name)"] == Double(value), "\(name)")
            }
            #expect(samples["kheaderd_disk_free_bytes"].map { $0 > 0 } == true)
            #expect(samples["kheaderd_disk_reserved_bytes"].map { $0 >= 7 } == true)
            #expect(
                samples[#"kheaderd_http_request_duration_seconds_count{route="/v1/kernels/{buildID}/sightings"}"#] == 3)
        }
    }

    @Test func everyFamilyIsExplained() async throws {
        try await withRunningServer { server in
            try await server.upload()
            _ = try await server.get("/nowhere")
            let text = try await server.get("/metrics").text
            let lines = text.split(separator: "\n")
            let types = lines.filter { $0.hasPrefix("# TYPE ") }.map { $0.split(separator: " ")[2] }
            let helps = lines.filter { $0.hasPrefix("# HELP ") }.map { $0.split(separator: " ")[2] }
            #expect(types == helps && Set(types).count == types.count)
        }
    }

    /// An alert on a counter that begins with its first event misses that.
    @Test func whatAlertsCountIsThereBeforeItHappens() async throws {
        let rules = try deployed("prometheus/kheaderd.rules.yaml")
        let counted = rules.matches(of: /increase\((.+?)\[/).map { String($0.1) }
        #expect(counted.count > 1)
        try await withRunningServer { server in
            let samples = try await samples(server)
            for series in counted { #expect(samples[series] == 0, "\(series)") }
            for code in [500, 503, 507] { #expect(samples["error_count{code=\"\(code)\"}"] == 0) }
            for result in ["built", "failed"] {
                #expect(samples["kheaderd_pch_builds_total{result=\"\(result)\"}"] == 0)
            }
        }
    }

    private func deployed(_ file: String) throws -> String {
        var components = #filePath.split(separator: "/", omittingEmptySubsequences: false)
        components.removeLast(3)
        return String(
            decoding: try FileSource(path: components.joined(separator: "/") + "/deploy/" + file).readAll(),
            as: UTF8.self)
    }

    /// Prometheus' own checker: nothing is wrong but two names that are debuginfod's.
    @Test func promtoolFindsNothing() async throws {
        let files = WatchedFileSystem()
        let text = try await withRunningServer(options: { $0.files = files }) { server in
            try await server.upload()
            files.fail(5)
            #expect(try await server.put("/v1/kernels/ab/btf", SmallBTF.bytes()).status == 500)
            return try await server.get("/metrics").text
        }
        let result = try ShellCommand("promtool", "check", "metrics").run(Array(text.utf8))
        let complaints = (result.text + result.errors).split(separator: "\n").filter {
            !$0.hasPrefix("http_responses_duration_milliseconds ") && !$0.hasPrefix("error_count ")
        }
        #expect(complaints == [])
        // That it was asked at all.
        #expect(result.errors.contains("error_count "))
    }

    /// Alerts and dashboards ask for what is there.
    @Test(arguments: ["prometheus/kheaderd.rules.yaml", "grafana/kheaderd.json"])
    func whatIsDeployedAsksForWhatIsThere(file: String) throws {
        let text = try deployed(file)
        let names = Set(
            text.matches(of: /\b(kheaderd_[a-z_]+|http_responses?_[a-z_]+|http_requests_total)\b/).map { String($0.1) })
        #expect(names.count > 5)
        for name in names {
            let family = ["_bucket", "_sum", "_count"].first { name.hasSuffix($0) }.map {
                String(name.dropLast($0.count))
            }
            #expect(
                MetricsHelp.ofFamilies[name] != nil || family.flatMap { MetricsHelp.ofFamilies[$0] } != nil, "\(name)")
        }
    }
}
