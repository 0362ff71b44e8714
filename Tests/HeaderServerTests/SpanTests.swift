import HeaderStore
import KHeaderTestSupport
import Testing

@testable import HeaderServer

/// The spans of requests, as a collector gets them.
///
/// One after the other: what one sends, another would not see waiting.
@Suite(.serialized) struct SpanTests {
    /// What the requests of a test leave. A span ends after its answer, but before the server.
    private func spans(
        flags: String = "01", _ body: (RunningServer, _ traceparent: String) async throws -> Void
    ) async throws -> [JSONValue] {
        _ = TestTracer.exporter
        let trace = TraceContext(parent: nil, isSampled: true).traceID
        try await withRunningServer(options: { $0.files = files }) { server in
            try await body(server, "traceparent: 00-\(trace)-00000000000000a1-\(flags)")
        }
        return await TestTracer.spans(ofTrace: trace)
    }

    private let files = WatchedFileSystem()

    @Test func aRequestIsASpanOfItsClientsTrace() async throws {
        let spans = try await spans { server, trace in
            try await server.upload()
            let answer = try await server.get("/v1/kernels/\(TestKernels.id)?secret=1", trace)
            #expect(answer.status == 200, "\(answer.text)")
        }
        let span = try #require(spans.first)
        #expect(spans.count == 1)
        #expect(span["name"]?.string == "GET /v1/kernels/{buildID}" && span["kind"]?.integer == 2)
        #expect(span["parentSpanId"]?.string == "00000000000000a1" && span["spanId"]?.string?.utf8.count == 16)
        #expect(span.attribute("http.request.method") == "GET" && span.attribute("url.scheme") == "http")
        #expect(span.attribute("http.route") == "/v1/kernels/{buildID}")
        #expect(span.attribute("http.response.status_code") == "200")
        #expect(span.attribute("kheaderd.request_id")?.isEmpty == false)
        #expect(span["status"]?["code"]?.integer == 0)
        let start = try #require(span["startTimeUnixNano"]?.string.flatMap { UInt64($0) })
        let end = try #require(span["endTimeUnixNano"]?.string.flatMap { UInt64($0) })
        #expect(start <= end)
        #expect(!"\(spans)".contains("secret"))
    }

    @Test func anIngestIsASpanOfItsOwn() async throws {
        let spans = try await spans { server, trace in
            let upload = try await server.put("/v1/kernels/ab/headers", TestKernels.tar, trace)
            #expect(upload.status == 201)
            #expect(try await server.put("/v1/kernels/ab/btf", SmallBTF.bytes(), trace).status == 201)
        }
        #expect(
            spans.map { $0["name"]?.string } == [
                "PUT /v1/kernels/{buildID}/headers", "ingest headers", "PUT /v1/kernels/{buildID}/btf", "ingest BTF",
            ])
        for child in [1, 3] where spans.count == 4 {
            #expect(spans[child]["parentSpanId"] == spans[child - 1]["spanId"] && spans[child]["kind"]?.integer == 1)
            #expect(spans[child].attribute("kheaderd.build_id") == "ab")
        }
    }

    @Test func whatAnIngestThrowsIsAnEventOfItsSpan() async throws {
        let spans = try await spans { server, trace in
            let upload = try await server.put("/v1/kernels/ab/headers", Array("no archive".utf8), trace)
            #expect(upload.status == 415)
        }
        let events = spans.last?["events"]?.items ?? []
        #expect(spans.last?["name"]?.string == "ingest headers" && events.count == 1)
        #expect(events.first?["name"]?.string == "exception")
        #expect(events.first?.attribute("exception.type") == "Problem")
    }

    /// Who knows the path of an upload may write to it; a path that is none is the client's own.
    @Test func noPathIsTold() async throws {
        var path = ""
        let spans = try await spans { server, trace in
            let begun = try await server.request(
                "PUT", "/v1/kernels/ab/headers", ["Upload-Complete: ?0", trace], body: [])
            path = try #require(begun["Location"])
            _ = try await server.head(path, trace)
            #expect(try await server.get("/no/such/path", trace).status == 404)
            #expect(try await server.request("PROPFIND", "/v1/kernels", [trace]).status == 405)
        }
        #expect(
            spans.map { $0["name"]?.string } == [
                "PUT /v1/kernels/{buildID}/headers", "HEAD /v1/uploads/{token}", "GET", "HTTP",
            ])
        #expect(spans.last?.attribute("http.request.method") == "_OTHER")
        let token = try #require(path.split(separator: "/").last)
        #expect(!"\(spans)".contains(token) && !"\(spans)".contains("such") && !"\(spans)".contains("PROPFIND"))
    }

    @Test func aFailureOfTheServerIsAnError() async throws {
        let spans = try await spans { server, trace in
            files.fail(5)
            let upload = try await server.put("/v1/kernels/ab/btf", SmallBTF.bytes(), trace)
            #expect(upload.status == 500)
            #expect(try await server.get("/v1/kernels/ab", trace).status == 404)
        }
        #expect(
            spans.map { $0["name"]?.string } == ["PUT /v1/kernels/{buildID}/btf", "GET /v1/kernels/{buildID}"])
        let upload = try #require(spans.first)
        #expect(upload["status"]?["code"]?.integer == 2 && upload.attribute("error.type") == "500")
        #expect(spans.last?["status"]?["code"]?.integer == 0 && spans.last?.attribute("error.type") == nil)
    }

    @Test func whatIsNotSampledAndWhatMachinesAskLeaveNone() async throws {
        let unsampled = try await spans(flags: "00") { _ = try await $0.get("/v1/kernels", $1) }
        #expect(unsampled.isEmpty)
        let machines = try await spans { server, trace in
            for path in ["/livez", "/readyz", "/metrics"] {
                let answer = try await server.get(path, trace)
                #expect(answer.status == 200)
            }
        }
        #expect(machines.isEmpty)
    }
}
