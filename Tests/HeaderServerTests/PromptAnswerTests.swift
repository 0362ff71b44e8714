import HTTPTypes
import HeaderStore
import KHeaderTestSupport
import KernelHeaders
import Testing

@testable import HeaderServer

/// Answers out of memory, in front of the router: the same as the router's, in their order, and counted as they are.
@Suite struct PromptAnswerTests {
    private static let unknown = String(repeating: "0", count: 40)
    private static let absent = "source/include/linux/absent.h"
    private static let btf = SmallBTF.bytes((0..<8_000).map { "name\($0)" })
    /// Changes nothing but who answers: a request that may have a body is the router's.
    private static let routed = "Content-Length: 0"

    private static func paths(_ tree: KernelHeaders.Digest) -> [String] {
        let artefacts = [
            "headers.tar.gz", "headers.tar", "manifest.json", "source/include/linux/sched.h", absent,
        ]
        return artefacts.flatMap { ["/buildid/\(TestKernels.id)/\($0)", "/trees/\(tree)/\($0)"] }
            + ["/buildid/\(TestKernels.id)/section/.BTF"]
            + (artefacts + ["section/.BTF"]).map { "/buildid/\(unknown)/\($0)" }
    }

    /// Runs a body with a server that has everything at hand, and the paths of what it has and has not.
    private func withWarmServer(
        in folder: TemporaryFolder? = nil, access: ServerAccess = ServerAccess(), token: String = "X-None: x",
        _ body: (RunningServer, [String]) async throws -> Void
    ) async throws {
        try await withRunningServer(in: folder, access: access) { server in
            let upload = try await server.put("/v1/kernels/\(TestKernels.id)/headers", TestKernels.tar, token)
            let receipt: IngestReceipt = try upload.decoded()
            let btf = try await server.put("/v1/kernels/\(TestKernels.id)/btf", Self.btf, token)
            #expect((upload.status, btf.status) == (201, 201))
            let paths = Self.paths(receipt.treeDigest)
            for path in paths { _ = try await server.get(path, token) }
            try await body(server, paths)
        }
    }

    /// What `/metrics` counts of requests, but for how long they took, and those for itself.
    private func counts(_ server: RunningServer, _ token: String = "X-None: x") async throws -> [String: Double] {
        let text = try await server.get("/metrics", token).text
        var counts: [String: Double] = [:]
        for line in text.split(separator: "\n") where line.contains("http_re") || line.contains("prompt") {
            let words = line.split(separator: " ")
            let isTime = line.contains("duration") && !line.contains("_count{")
            if words.count == 2, !isTime, !line.contains("metrics") { counts[String(words[0])] = Double(words[1]) }
        }
        return counts
    }

    private static let counter = "kheaderd_prompt_answers_total"

    private func growth(_ before: [String: Double], _ after: [String: Double]) -> [String: Double] {
        after.merging(before) { $0 - $1 }.filter { $0.value != 0 && $0.key != Self.counter }
    }

    /// A body without the request's ID.
    private func lasting(_ answer: HTTPAnswer) -> [UInt8] {
        guard let id = answer["X-Request-ID"], answer.status >= 400 else { return answer.body }
        #expect(answer.body.isEmpty || answer.text.contains(id))
        return Array(answer.text.replacing(id, with: "").utf8)
    }

    @Test func theyAreTheRoutersOwn() async throws {
        try await withWarmServer { server, paths in
            for path in paths {
                let tag = try await server.head(path)["ETag"] ?? "\"x\""
                let variations: [[String]] = [
                    [], ["If-None-Match: \(tag)"], ["If-None-Match: W/\(tag), \"x\""], ["If-None-Match: \"x\""],
                    ["If-Match: \(tag)"], ["If-Match: \"x\""], ["Range: bytes=1-9"], ["Range: bytes=0-1,5-6"],
                    ["Range: bytes=99999999-"], ["Range: bytes=1-9", "If-Range: \"x\""],
                    ["X-DEBUGINFOD-MAXSIZE: 5"], ["X-DEBUGINFOD-MAXSIZE: 99999999"], ["Accept: */*"],
                    ["Accept: text/html"], ["Connection: Keep-Alive"], ["Accept-Encoding: gzip"],
                    ["traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"],
                ]
                let requests = ["GET", "HEAD"].flatMap { method in variations.map { (method, $0) } }
                // The first time they are decoded, and what there is to say of them is found out.
                var new: [HTTPAnswer] = []
                for (method, fields) in requests { new.append(try await server.request(method, path, fields)) }
                let first = try await counts(server)
                var prompt: [HTTPAnswer] = []
                for (method, fields) in requests { prompt.append(try await server.request(method, path, fields)) }
                let second = try await counts(server)
                var expected = 0
                for (((method, fields), answer), new) in zip(zip(requests, prompt), new) {
                    #expect(answer.status == new.status, "\(method) \(path) \(fields)")
                    #expect(answer.lastingFields == new.lastingFields, "\(method) \(path) \(fields)")
                    #expect(lasting(answer) == lasting(new), "\(method) \(path) \(fields)")
                    let routed = try await server.request(method, path, fields + [Self.routed])
                    #expect(answer.status == routed.status, "\(method) \(path) \(fields)")
                    #expect(answer.reason == routed.reason, "\(method) \(path) \(fields)")
                    #expect(answer.lastingFields == routed.lastingFields, "\(method) \(path) \(fields)")
                    #expect(lasting(answer) == lasting(routed), "\(method) \(path) \(fields)")
                    let isForOthers = fields.contains { $0.contains("html") || $0.contains("trace") }
                    if !isForOthers, isPrompt(routed, to: method, path) { expected += 1 }
                }
                let third = try await counts(server)
                #expect(growth(first, second) == growth(second, third), "\(path)")
                #expect(second[Self.counter] == (first[Self.counter] ?? 0) + Double(expected), "\(path)")
                #expect(third[Self.counter] == second[Self.counter], "\(path)")
                #expect(expected >= 10, "\(path)")
            }
        }
    }

    /// Whether it should be answered out of memory, by the router's answer.
    private func isPrompt(_ answer: HTTPAnswer, to method: String, _ path: String) -> Bool {
        switch answer.status {
        case 304: true
        case 404: path.contains(Self.unknown) || path.hasSuffix(Self.absent)
        case 200, 206: method == "HEAD" || answer["Content-Type"]?.hasPrefix("multipart") == false
        default: false
        }
    }

    @Test func whoMayNotReadIsToldAsEver() async throws {
        try await withTemporaryFolder { folder in
            let operators = try folder.authorization(.operator)
            let client = try folder.authorization(.client)
            let agent = try folder.authorization(.agent)
            try await withWarmServer(in: folder, token: operators) { server, paths in
                for (field, mayRead) in [
                    ("X-None: x", false), ("\(client)x", false), ("Authorization: Bearer x", false), (agent, false),
                    (client, true), (operators, true),
                ] {
                    for path in paths {
                        let before = try await counts(server, operators)[Self.counter]
                        let answer = try await server.head(path, field)
                        let after = try await counts(server, operators)[Self.counter]
                        #expect(after == before.map { $0 + (mayRead ? 1 : 0) }, "\(path) \(field)")
                        let routed = try await server.head(path, field, Self.routed)
                        #expect(answer.status == routed.status)
                        #expect(answer.lastingFields == routed.lastingFields)
                        #expect(mayRead == (answer.status == 200 || answer.status == 404), "\(path) \(field)")
                    }
                }
            }
        }
    }

    @Test func aRequestThatIsKnownWaitsForFilesAndOthers() async throws {
        try await withWarmServer { server, _ in
            let targets = ["headers.tar", "manifest.json", "headers.tar", "section/.BTF"]
            let requests = (targets.map { "/buildid/\(TestKernels.id)/\($0)" } + ["/v1/kernels"]).map {
                "GET \($0) HTTP/1.1\r\nHost: x\r\n\r\n"
            }
            let connection = try server.connect()
            defer { connection.close() }
            var alone: [HTTPAnswer] = []
            for request in requests {
                await connection.send(request)
                alone.append(try await connection.answer())
            }
            for round in 1...20 {
                // One read each, if the server is fast, and several else.
                for request in requests { await connection.send(request) }
                for expected in alone {
                    let answer = try await connection.answer()
                    #expect(answer.status == expected.status && answer.body == expected.body, "\(round)")
                }
            }
        }
    }

    @Test func answersComeInTheOrderOfTheRequests() async throws {
        try await withWarmServer { server, paths in
            let slow = ["/v1/kernels", "/buildid/\(TestKernels.id)/headers.tar.gz", "/v1/kernels/\(TestKernels.id)"]
            let targets = (0..<120).map { $0 % 3 == 2 ? slow[$0 / 3 % 3] : paths[($0 + 4) % paths.count] }
            var alone: [HTTPAnswer] = []
            for target in targets { alone.append(try await server.get(target)) }
            let before = try await counts(server)[Self.counter]
            let connection = try server.connect()
            defer { connection.close() }
            await connection.send(targets.map { "GET \($0) HTTP/1.1\r\nHost: x\r\n\r\n" }.joined())
            for (target, expected) in zip(targets, alone) {
                let answer = try await connection.answer()
                #expect(answer.status == expected.status && lasting(answer) == lasting(expected), "\(target)")
            }
            let after = try await counts(server)[Self.counter]
            // The first one at least, as nothing was under way.
            #expect((after ?? 0) > (before ?? 0))
        }
    }

    /// What was not taken yet is not added to.
    @Test func whoDoesNotReadIsNotAnsweredAtOnce() async throws {
        try await withWarmServer { server, _ in
            let target = "/buildid/\(TestKernels.id)/section/.BTF"
            let connection = try server.connect()
            defer { connection.close() }
            let before = try await counts(server)[Self.counter]
            // They arrive together, and one answer is more than may wait.
            await connection.send(String(repeating: "GET \(target) HTTP/1.1\r\nHost: x\r\n\r\n", count: 100))
            for _ in 0..<100 { #expect(try await connection.answer().body == Self.btf) }
            let after = try await counts(server)[Self.counter]
            #expect((1..<100).contains((after ?? 0) - (before ?? 0)))
        }
    }

    /// What those behind heard last, before a file, was that nothing may be written: answers before it, and its head, are as
    /// much as may wait.
    @Test func whoReadsSlowlyAndThenAFileGetsWhatComesBehindIt() async throws {
        try await withWarmServer { server, _ in
            let (btf, bundle) = ("/buildid/\(TestKernels.id)/section/.BTF", "/buildid/\(TestKernels.id)/headers.tar")
            // With heads of some four hundred bytes.
            for bytes in stride(from: 1_000, to: 6_000, by: 200) {
                let connection = try server.connect()
                defer { connection.close() }
                let parts = [29_999, 29_999, bytes].map {
                    "GET \(btf) HTTP/1.1\r\nHost: x\r\nRange: bytes=0-\($0)\r\n\r\n"
                }
                let others = [bundle, "/v1/kernels"].map { "GET \($0) HTTP/1.1\r\nHost: x\r\n\r\n" }
                await connection.send((parts + others).joined())
                for status in [206, 206, 206, 200, 200] { #expect(try await connection.answer().status == status) }
            }
        }
    }

    @Test func whoSendsNoMoreGetsAllOfTheAnswer() async throws {
        try await withWarmServer { server, _ in
            let target = "/buildid/\(TestKernels.id)/section/.BTF"
            let before = try await counts(server)[Self.counter]
            let connection = try server.connect()
            defer { connection.close() }
            await connection.send("GET \(target) HTTP/1.1\r\nHost: x\r\n\r\n")
            connection.endSending()
            #expect(try await connection.answer().body == Self.btf)
            #expect(try await connection.rest().isEmpty)
            #expect(try await counts(server)[Self.counter] == before.map { $0 + 1 })
        }
    }

    /// More than a connection holds, so that requests, and the end of them, come while a file is on its way.
    @Test func whatComesWhileAFileIsSentWaits() async throws {
        try await withWarmServer { server, _ in
            let target = "/buildid/\(TestKernels.id)/headers.tar"
            let bundle = try await server.get(target).body
            let before = try await counts(server)[Self.counter]
            let count = 64 << 20 / bundle.count
            let connection = try server.connect()
            defer { connection.close() }
            let requests = String(repeating: "GET \(target) HTTP/1.1\r\nHost: x\r\n\r\n", count: count)
            await connection.send("\(requests)no HTTP\r\n\r\n")
            connection.endSending()
            for _ in 0..<count { #expect(try await connection.answer().body == bundle) }
            #expect(try await connection.answer().status == 400)
            #expect(try await connection.rest().isEmpty)
            #expect(try await counts(server)[Self.counter] == before.map { $0 + Double(count) })
        }
    }

    /// Hummingbird has seen its beginning.
    @Test func aRequestThatHasBegunIsTakenInWhileFilesAreSent() async throws {
        try await withWarmServer { server, _ in
            let target = "/buildid/\(TestKernels.id)/headers.tar"
            let bundle = try await server.get(target).body
            let count = 32 << 20 / bundle.count
            let connection = try server.connect()
            defer { connection.close() }
            let requests = String(repeating: "GET \(target) HTTP/1.1\r\nHost: x\r\n\r\n", count: count)
            let body = Array(repeating: "{\"host\": 1}", count: 100).joined()
            await connection.send(
                """
                \(requests)POST /v1/kernels/\(TestKernels.id)/sightings HTTP/1.1\r
                Host: x\r
                Content-Length: \(body.utf8.count)\r\n\r\n
                """)
            await connection.send(body)
            for _ in 0..<count { #expect(try await connection.answer().body == bundle) }
            #expect(try await connection.answer().status == 400)
        }
    }

    @Test func whatChangesIsSeenAtOnce() async throws {
        try await withRunningServer { server in
            let target = "/buildid/\(TestKernels.id)/manifest.json"
            // Each is known from the first time on.
            for _ in 1...2 { #expect(try await server.get(target).status == 404) }
            try await server.upload()
            for _ in 1...3 { #expect(try await server.get(target).status == 200) }
            #expect(try await counts(server)[Self.counter] == 4)
            #expect(try await server.request("DELETE", "/v1/kernels/\(TestKernels.id)").status == 204)
            #expect(try await server.get(target).status != 200)
            try await server.upload(TestKernels.nextBuild.tar)
            for _ in 1...3 {
                let answer = try await server.get(target)
                let digest = KernelHeaders.Digest(of: answer.body)
                #expect(answer.status == 200 && answer["ETag"] == "\"\(digest)\"")
                #expect(answer["Repr-Digest"] == "sha-256=:\(digest.base64):")
            }
        }
    }

    /// Nobody had to take the connection up for the answer.
    @Test func aServerMayEndRightAfterAnAnswer() async throws {
        for _ in 0..<50 {
            try await withRunningServer { server in
                let answer = try await server.get("/buildid/\(Self.unknown)/manifest.json")
                #expect(answer.status == 404)
            }
        }
    }

    @Test func withALineForEachAnswerTheMiddlewaresAnswer() async throws {
        var serving = ServingOptions()
        serving.accessLog = true
        try await withRunningServer(serving: serving) { server in
            let answer = try await server.get("/buildid/\(Self.unknown)/manifest.json")
            #expect(answer.status == 404)
            let counts = try await counts(server)
            #expect(counts[Self.counter] == nil)
        }
    }
}
