import HeaderServer
import HeaderStore
import KHeaderTestSupport
import Logging
import Testing

/// The line in the log for every answer.
@Suite struct AccessLogTests {
    private func requests(
        isOn: Bool = true, in folder: TemporaryFolder? = nil, _ body: (RunningServer) async throws -> Void
    ) async throws -> [[String: String]] {
        let log = CollectedLog()
        var serving = ServingOptions()
        serving.accessLog = isOn
        try await withRunningServer(in: folder, serving: serving, logger: log.logger, body)
        return log.lines.filter { $0.message == "request" }.map { $0.metadata.mapValues { "\($0)" } }
    }

    @Test func everyAnswerHasALine() async throws {
        let requests = try await requests { server in
            try await server.upload()
            let answer = try await server.get("/v1/kernels?release=secret")
            #expect(answer.status == 200)
            _ = try await server.head("/nowhere")
            _ = try await server.get("/kernels/x")
        }
        #expect(requests.map { $0["status"] } == ["201", "200", "404", "400"])
        #expect(requests.map { $0["method"] } == ["PUT", "GET", "HEAD", "GET"])
        #expect(requests[1]["path"] == "/v1/kernels" && requests[1]["client"] == "127.0.0.1")
        #expect(requests[1]["bytes"].flatMap { Int($0) }.map { $0 > 0 } == true)
        #expect(requests.allSatisfy { $0["hb.request.id"] != nil && $0["milliseconds"] != nil && $0["token"] == nil })
        #expect(!"\(requests)".contains("secret"))
    }

    /// Of the client's own trace, with a collector or without.
    @Test func aLineHasTheTraceOfItsRequest() async throws {
        _ = TestTracer.exporter
        let trace = "0af7651916cd43dd8448eb211c80319d"
        let requests = try await requests {
            _ = try await $0.get("/v1/kernels", "traceparent: 00-\(trace)-b7ad6b7169203331-00")
        }
        #expect(requests.first?["trace_id"] == trace && requests.first?["span_id"]?.utf8.count == 16)
        #expect(requests.first?["span_id"] != "b7ad6b7169203331")
    }

    @Test func noneUnlessItIsAskedFor() async throws {
        #expect(try await requests(isOn: false) { _ = try await $0.get("/v1/kernels") }.isEmpty)
    }

    /// Who knows the path of an upload may write to it.
    @Test func thePathOfAnUploadIsNotTold() async throws {
        var path = ""
        let requests = try await requests { server in
            let begun = try await server.request("PUT", "/v1/kernels/ab/headers", ["Upload-Complete: ?0"], body: [])
            path = try #require(begun["Location"])
            _ = try await server.head(path)
            _ = try await server.get(path)
        }
        #expect(requests.map { $0["status"] } == ["201", "204", "405"])
        #expect(requests.dropFirst().allSatisfy { $0["path"] == "/v1/uploads/{token}" })
        #expect(!"\(requests)".contains(path))
    }

    @Test func whoAskedIsToldByTheTokensIDNotTheToken() async throws {
        try await withTemporaryFolder { folder in
            let made = try TokenFile(state: folder.path("store")).create(
                role: .client, label: "x", expires: nil, now: 1)
            let unknown =
                "khd_client_\(String(repeating: "0", count: made.secret.utf8.count - "khd_client_".utf8.count))"
            let requests = try await requests(in: folder) { server in
                _ = try await server.get("/v1/kernels", "Authorization: Bearer \(made.secret)")
                _ = try await server.get("/v1/kernels", "Authorization: Bearer \(unknown)")
                _ = try await server.get("/v1/kernels", "Authorization: Bearer hunter2")
                _ = try await server.get("/v1/kernels")
                _ = try await server.request(
                    "DELETE", "/v1/kernels/ab", ["Authorization: Bearer \(made.secret)"], body: [])
            }
            // Of one that is refused, too, so that it can be looked up in the list.
            #expect(
                requests.map { $0["token"] }
                    == [made.token.id, TokenRecord.id(ofSecret: unknown), nil, nil, made.token.id])
            #expect(requests.map { $0["status"] } == ["200", "401", "401", "401", "403"])
            #expect(!"\(requests)".contains(made.secret))
        }
    }
}
