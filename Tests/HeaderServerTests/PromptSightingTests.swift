import HeaderServer
import HeaderStore
import KHeaderTestSupport
import KernelHeaders
import Testing

/// Sightings that say nothing new, answered in front of the router: as the router answers them, to a field, and counted as
/// it does. When that may be is in `KeptAnswerTests`.
@Suite struct PromptSightingTests {
    private static let path = "/v1/kernels/\(TestKernels.id)/sightings"
    private static let counter = "kheaderd_prompt_answers_total"
    /// Changes nothing but who answers.
    private static let routed = "Accept: application/json"

    /// Of a host whose headers, and the kernel's BTF, the server has, and has from its operator.
    private static let known = TestSightings.json(
        offers: [TestSightings.offer(TestKernels.tar), ArtefactOffer(.btf, bytes: 5)])

    /// Runs a body with a server that knows a report, and another one of which it knows nothing.
    private func withServer(
        in folder: TemporaryFolder? = nil, access: ServerAccess = ServerAccess(), token: String = "X-None: x",
        serving: ServingOptions = ServingOptions(), _ body: (RunningServer) async throws -> Void
    ) async throws {
        try await withRunningServer(
            in: folder, access: access, serving: serving,
            options: {
                $0.now = { 1_800_000_009 }
                $0.flushSeconds = 3600
            }
        ) { server in
            let upload = try await server.put("/v1/kernels/\(TestKernels.id)/headers", TestKernels.tar, token)
            let btf = try await server.put("/v1/kernels/\(TestKernels.id)/btf", SmallBTF.bytes(), token)
            #expect((upload.status, btf.status) == (201, 201))
            for _ in 1...2 { #expect(try await server.post(Self.path, Self.known, token).status == 200) }
            try await body(server)
        }
    }

    /// What `/metrics` counts of requests and sightings, but for how long they took, and those for itself.
    private func counts(_ server: RunningServer, _ token: String = "X-None: x") async throws -> [String: Double] {
        let text = try await server.get("/metrics", token).text
        var counts: [String: Double] = [:]
        for line in text.split(separator: "\n") {
            let isOne = ["http_re", "prompt", "sightings_total", "verdicts"].contains { line.contains($0) }
            let isTime = line.contains("duration") && !line.contains("_count{")
            let words = line.split(separator: " ")
            if isOne, words.count == 2, !isTime, !line.contains("type=\"metrics\""), !line.contains("\"/metrics\"") {
                counts[String(words[0])] = Double(words[1])
            }
        }
        return counts
    }

    private func growth(_ before: [String: Double], _ after: [String: Double]) -> [String: Double] {
        after.merging(before) { $0 - $1 }.filter { $0.value != 0 && $0.key != Self.counter }
    }

    /// - Returns: whether it was answered in front of the router.
    private func isPrompt(
        _ server: RunningServer, _ token: String = "X-None: x", _ ask: () async throws -> HTTPAnswer
    ) async throws -> (answer: HTTPAnswer, isPrompt: Bool) {
        let before = try await counts(server, token)[Self.counter]
        let answer = try await ask()
        let after = try await counts(server, token)[Self.counter]
        return (answer, after != before)
    }

    @Test func theyAreTheRoutersOwn() async throws {
        try await withServer { server in
            let variations: [(fields: [String], isPrompt: Bool)] = [
                ([], true), (["Content-Type: application/json"], true), (["Accept: */*"], true),
                (["Connection: Keep-Alive", "User-Agent: x"], true), (["Authorization: Bearer x"], true),
                (["Content-Type: application/json; charset=utf-8"], false), (["Content-Type: text/plain"], false),
                (["Accept: text/html"], false), (["Sec-Fetch-Site: cross-site"], false),
                (["Origin: http://elsewhere.example"], false), (["Expect: x"], false),
                (["traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"], false),
            ]
            for (fields, isPromptToBe) in variations {
                // The first time it is decoded.
                let new = try await server.request("POST", Self.path, fields, body: Array(Self.known.utf8))
                let first = try await counts(server)
                let prompt = try await server.request("POST", Self.path, fields, body: Array(Self.known.utf8))
                let second = try await counts(server)
                let others = fields.filter { !$0.hasPrefix("Accept:") } + [Self.routed]
                let routed = try await server.request("POST", Self.path, others, body: Array(Self.known.utf8))
                let third = try await counts(server)
                #expect(prompt.status == routed.status && prompt.status == new.status, "\(fields)")
                #expect(prompt.lastingFields == new.lastingFields, "\(fields)")
                let isPage = prompt["Content-Type"]?.contains("html") == true
                #expect(isPage || prompt.lastingFields == routed.lastingFields, "\(fields)")
                #expect(prompt.status != 200 || prompt.body == routed.body, "\(fields)")
                #expect(isPage || growth(first, second) == growth(second, third), "\(fields)")
                #expect(second[Self.counter] == first[Self.counter].map { $0 + (isPromptToBe ? 1 : 0) }, "\(fields)")
                #expect(third[Self.counter] == second[Self.counter], "\(fields)")
            }
        }
    }

    @Test func whatIsNotKnownIsTheRouters() async throws {
        try await withServer { server in
            let unknown: [(String, String, Int)] = [
                (Self.path, TestSightings.json(host: 2), 200), (Self.path, TestSightings.json(boot: "x"), 200),
                (Self.path, "no JSON", 400), ("/v1/kernels/\(TestKernels.otherID)/sightings", Self.known, 400),
                ("\(Self.path)?x=1", Self.known, 200), ("/v1/kernels/XX/sightings", Self.known, 400),
                ("\(Self.path)/x", Self.known, 404),
            ]
            for (path, body, status) in unknown {
                let (answer, isPrompt) = try await isPrompt(server) { try await server.post(path, body) }
                #expect(answer.status == status && !isPrompt, "\(path) \(body)")
            }
        }
    }

    @Test func onlySoMuchIsHeld() async throws {
        try await withServer { server in
            for (bytes, isPromptToBe) in [(16 << 10, true), (16 << 10 + 1, false)] {
                let body = Self.known + String(repeating: " ", count: bytes - Self.known.utf8.count)
                for _ in 1...2 { #expect(try await server.post(Self.path, body).status == 200) }
                let (answer, isPrompt) = try await isPrompt(server) { try await server.post(Self.path, body) }
                #expect(answer.status == 200 && isPrompt == isPromptToBe)
            }
            // Of no length at first.
            let (_, isPrompt) = try await isPrompt(server) {
                let connection = try server.connect()
                defer { connection.close() }
                let length = String(Self.known.utf8.count, radix: 16)
                await connection.send(
                    "POST \(Self.path) HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                        + "\(length)\r\n\(Self.known)\r\n0\r\n\r\n")
                return try await connection.answer()
            }
            #expect(!isPrompt)
        }
    }

    private static func request(_ body: String, _ fields: String = "") -> String {
        "POST \(path) HTTP/1.1\r\nHost: x\r\nContent-Length: \(body.utf8.count)\r\n\(fields)\r\n\(body)"
    }

    @Test func theyMayComeInPieces() async throws {
        try await withServer { server in
            for (body, isPromptToBe) in [(Self.known, true), (TestSightings.json(boot: "x"), false)] {
                let (answer, isPrompt) = try await isPrompt(server) {
                    let connection = try server.connect()
                    defer { connection.close() }
                    var rest = Self.request(body)[...]
                    while !rest.isEmpty {
                        await connection.send(String(rest.prefix(70)))
                        rest = rest.dropFirst(70)
                        // Time enough for what was sent to arrive alone.
                        _ = try await server.get("/livez")
                    }
                    return try await connection.answer()
                }
                #expect(answer.status == 200 && isPrompt == isPromptToBe)
                #expect(try answer.decoded(SightingAnswer.self).verdicts.count == 2 || !isPromptToBe)
            }
        }
    }

    @Test func answersComeInTheOrderOfTheRequests() async throws {
        try await withServer { server in
            let bodies = (0..<60).map { $0 % 3 == 1 ? TestSightings.json(host: UInt8($0)) : Self.known }
            let connection = try server.connect()
            defer { connection.close() }
            let before = try await counts(server)
            await connection.send(bodies.map { Self.request($0) + "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n" }.joined())
            for body in bodies {
                let answer = try await connection.answer()
                #expect(answer.status == 200)
                if body == Self.known { #expect(try answer.decoded(SightingAnswer.self).verdicts.count == 2) }
                #expect(try await connection.answer()["Content-Type"]?.hasPrefix("text/") == true)
            }
            let after = try await counts(server)
            // The first one at least, as nothing was under way.
            #expect((after[Self.counter] ?? 0) > (before[Self.counter] ?? 0))
            let sightings = "kheaderd_sightings_total"
            #expect(growth(before, after)[sightings] == 60)
        }
    }

    @Test func whoBreaksOffOrSendsNoMoreIsTreatedAsEver() async throws {
        try await withServer { server in
            var ends: [[UInt8]] = []
            for field in ["", "\(Self.routed)\r\n"] {
                // Half of one: no answer, or that it is none.
                let half = try server.connect()
                defer { half.close() }
                await half.send(String(Self.request(Self.known, field).dropLast(20)))
                half.endSending()
                ends.append(Array(try await half.rest().prefix { $0 != UInt8(ascii: "\r") }))
                // All of one.
                let whole = try server.connect()
                defer { whole.close() }
                await whole.send(Self.request(Self.known, field))
                whole.endSending()
                #expect(try await whole.answer().status == 200)
                #expect(try await whole.rest().isEmpty)
                let reset = try server.connect()
                await reset.send(String(Self.request(Self.known, field).dropLast(20)))
                reset.abort()
                // No HTTP behind one.
                let bad = try server.connect()
                defer { bad.close() }
                await bad.send(Self.request(Self.known, field) + "no HTTP\r\n\r\n")
                #expect(try await bad.answer().status == 200)
                #expect(try await bad.answer().status == 400)
            }
            #expect(ends.first == ends.last)
            #expect(try await server.post(Self.path, Self.known).status == 200)
        }
    }

    @Test func whoMayNotReportIsToldAsEverAndBeforeTheBody() async throws {
        try await withTemporaryFolder { folder in
            let operators = try folder.authorization(.operator)
            let client = try folder.authorization(.client)
            let agent = try folder.authorization(.agent)
            try await withServer(in: folder, token: operators) { server in
                for (field, status) in [
                    ("X-None: x", 401), ("\(agent)x", 401), (client, 403), (agent, 200), (operators, 200),
                ] {
                    let (answer, isPrompt) = try await isPrompt(server, operators) {
                        try await server.post(Self.path, Self.known, field)
                    }
                    #expect(answer.status == status && isPrompt == (status == 200), "\(field)")
                    let routed = try await server.post(Self.path, Self.known, field, Self.routed)
                    #expect(answer.status == routed.status && answer.lastingFields == routed.lastingFields)
                    guard status != 200 else { continue }
                    let connection = try server.connect()
                    defer { connection.close() }
                    await connection.send(
                        "POST \(Self.path) HTTP/1.1\r\nHost: x\r\n\(field)\r\nContent-Length: 500\r\n\r\n")
                    #expect(try await connection.answer().status == status)
                }
            }
        }
    }

    @Test func whatChangesIsSeenAtOnce() async throws {
        try await withServer { server in
            let before = try await isPrompt(server) { try await server.post(Self.path, Self.known) }
            #expect(before.isPrompt)
            #expect(try await server.request("DELETE", "/v1/kernels/\(TestKernels.id)").status == 204)
            let (answer, isPrompt) = try await isPrompt(server) { try await server.post(Self.path, Self.known) }
            #expect(!isPrompt)
            #expect(try answer.decoded(SightingAnswer.self).verdicts.map(\.answer) == [.upload, .upload])
        }
    }

    @Test func withALineForEachAnswerTheMiddlewaresAnswer() async throws {
        var serving = ServingOptions()
        serving.accessLog = true
        try await withServer(serving: serving) { server in
            let answer = try await server.post(Self.path, Self.known)
            #expect(answer.status == 200)
            let counts = try await counts(server)
            #expect(counts[Self.counter] == nil)
        }
    }
}
