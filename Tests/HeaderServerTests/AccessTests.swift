import FoundationEssentials
import Glibc
import HTTPTypes
import HeaderStore
import Hummingbird
import KHeaderTestSupport
import KernelHeaders
import Logging
import Synchronization
import Testing

@testable import HeaderServer

/// Who is let in, and who is told nothing.
@Suite struct AccessTests {
    /// A server's tokens in a folder of their own, under a clock that stands until it is set.
    private struct Tokens: Sendable {
        let file: TokenFile
        let registry: TokenRegistry
        let clock: ManualClock

        init(in folder: TemporaryFolder) {
            let clock = ManualClock()
            file = TokenFile(state: folder.path("store"))
            registry = TokenRegistry(file) { clock.now }
            self.clock = clock
        }

        /// - Returns: the field that a request needs.
        func make(_ role: TokenRole, expires: Int? = nil) throws -> String {
            "Authorization: Bearer \(try secret(role, expires: expires))"
        }

        func secret(_ role: TokenRole, expires: Int? = nil) throws -> String {
            defer { clock.advance() }
            return try file.create(role: role, label: "test", expires: expires, now: clock.now).secret
        }

        func control(_ address: String = "127.0.0.1:1", anonymousReads: Bool = false) throws -> AccessControl {
            var logger = Logger(label: "test") { StreamLogHandler.standardError(label: $0) }
            logger.logLevel = .critical
            return try AccessControl(
                tokens: registry, address: #require(ListenAddress(address)), anonymousReads: anonymousReads,
                state: "DIR", logger: logger)
        }
    }

    private final class ManualClock: Sendable {
        private let time = Mutex(1_800_000_000)
        var now: Int { time.withLock { $0 } }
        func advance(_ seconds: Int = 1) { time.withLock { $0 += seconds } }
    }

    private func withTokens(
        at address: String = "127.0.0.1:1", anonymousReads: Bool = false, roles: [TokenRole] = TokenRole.allCases,
        _ body: (RunningServer, Tokens, [TokenRole: String]) async throws -> Void
    ) async throws {
        try await withTemporaryFolder { folder in
            let tokens = Tokens(in: folder)
            var fields: [TokenRole: String] = [:]
            for role in roles { fields[role] = try tokens.make(role) }
            var access = ServerAccess()
            access.address = address
            access.anonymousReads = anonymousReads
            access.now = { tokens.clock.now }
            try await withRunningServer(in: folder, access: access) { try await body($0, tokens, fields) }
        }
    }

    // MARK: Routes

    private struct Route: CustomStringConvertible {
        let method: String
        let path: String
        var description: String { "\(method) \(path)" }

        /// A request that the route takes; what comes of it is of no matter here.
        var target: String {
            path.replacing("{buildID}", with: "ab").replacing("{treeDigest}", with: "ab")
                .replacing("{section}", with: ".BTF").replacing("{token}", with: "x").replacing("**", with: "a.h")
                .replacing("{toolchain}", with: "x").replacing("{profile}", with: "x").replacing(
                    "{umbrella}", with: "x"
                )
                .replacing("{id}", with: "x").replacing("{name}", with: "x")
        }

        func isOne(of others: [String]) -> Bool { others.contains(description) }
    }

    private func routes(of server: RunningServer) -> [Route] {
        HeaderServer.router(store: server.store, access: .open).routes.flatMap { route in
            let all = [Route(method: route.method.rawValue, path: "\(route.path)")]
            return route.method == .get ? all + [Route(method: "HEAD", path: "\(route.path)")] : all
        }
    }

    @Test func everyRouteSaysWhomItIsForAndNoOther() async throws {
        try await withRunningServer { server in
            let routes = routes(of: server)
            for route in routes {
                let method = try #require(HTTPRequest.Method(rawValue: route.method))
                #expect(Audience.of(method, route.path) != nil, "\(route) is for nobody: add it to Audience.ofRoutes")
            }
            let names = Set(routes.map(\.description))
            for name in Audience.ofRoutes.keys { #expect(names.contains(name), "\(name) is no route") }
        }
    }

    /// Each role against each route, over HTTP: written down a second time, so that a slip in the table shows.
    @Test func rolesAndRoutes() async throws {
        try await withTokens { server, _, fields in
            let free = ["/livez", "/readyz", "/openapi.yaml", "/assets/{name}"].flatMap { ["GET \($0)", "HEAD \($0)"] }
            for route in routes(of: server) {
                let isUpload = route.path.contains("/uploads")
                let isUpkeep = route.path.contains("/store/")
                let isRead = ["GET", "HEAD"].contains(route.method) && !isUpload && !isUpkeep
                let isReport =
                    isUpload
                    || route.isOne(of: [
                        "POST /v1/kernels/{buildID}/sightings", "PUT /v1/kernels/{buildID}/headers",
                        "PUT /v1/kernels/{buildID}/btf",
                    ])
                let isOfBuilders =
                    route.method == "PUT" && (route.path.contains("/pch/") || route.path.contains("/profiles/"))
                let isOfClients = route.description == "PUT /v1/profiles/{id}"
                let target = "\(route.target)?source=agent"
                let body: [UInt8]? = isRead || isUpkeep ? nil : [1]
                let nobody = try await server.request(route.method, target, [], body: body)
                #expect((nobody.status == 401) == !route.isOne(of: free), "\(route) of nobody")
                for (role, isLetIn) in [
                    (TokenRole.agent, isReport), (.client, isRead || isOfClients),
                    (.builder, isRead || isOfBuilders), (.operator, true),
                ] {
                    let answer = try await server.request(
                        route.method, target, [try #require(fields[role])], body: body)
                    #expect(answer.status != 401, "\(route) of \(role)")
                    let isRefused = answer.status == 403
                    #expect(isRefused == !(isLetIn || route.isOne(of: free)), "\(route) of \(role): \(answer.status)")
                }
            }
        }
    }

    @Test func aRouteThatNobodySaysAnythingOfIsRefusedToAll() throws {
        try withTemporaryFolder { folder in
            let tokens = Tokens(in: folder)
            let loopback = try tokens.control()
            let authorization = "Bearer \(try tokens.secret(.operator))"
            for access in [AccessControl.open, loopback, try tokens.control(anonymousReads: true)] {
                #expect {
                    try access.admit(.get, route: "/new", source: nil, authorization: authorization)
                } throws: {
                    ($0 as? Refusal)?.problem.code == .roleInsufficient
                }
                #expect(throws: Never.self) {
                    try access.admit(.get, route: "/v1/kernels", source: nil, authorization: authorization)
                }
            }
        }
    }

    @Test func anAgentUploadsAsAgentOnly() async throws {
        try await withTokens { server, _, fields in
            let agent = try #require(fields[.agent])
            let path = "/v1/kernels/\(TestKernels.id)/headers"
            for query in ["", "?source=", "?source=push", "?source=import", "?source=import&source=agent"] {
                try expect(
                    await server.put(path + query, TestKernels.tar, agent), refusesWith: .roleInsufficient)
            }
            #expect(try await server.put("\(path)?source=agent", TestKernels.tar, agent).status == 201)
            let other = "/v1/kernels/\(TestKernels.otherID)/headers?source=import"
            #expect(try await server.put(other, TestKernels.tar, try #require(fields[.operator])).status == 201)
        }
    }

    /// Ways to write a path that a check of its own would see in another light than the router does.
    @Test func aPathThatIsWrittenInAnotherWay() async throws {
        try await withTokens { server, _, fields in
            for target in [
                "//v1/kernels", "/v1//kernels", "/v1/kernels/", "/v1/./kernels", "/livez/../v1/kernels",
                "/v1/kernels?x=/livez", "/%76%31/kernels", "http://127.0.0.1/v1/kernels", "/v1/kernels#/livez",
                "/livez/../../v1/kernels", "/livez;/v1/kernels", "/buildid/ab/source//livez",
            ] {
                let answer = try await server.get(target)
                #expect(answer.status == 401, "\(target)")
                let agent = try await server.get(target, try #require(fields[.agent]))
                #expect([403, 404].contains(agent.status), "\(target)")
            }
        }
    }

    // MARK: Tokens

    @Test func whatIsNotThereIsNotToldToThoseWithoutAToken() async throws {
        try await withTokens { server, _, fields in
            for (method, target) in [("GET", "/nowhere"), ("DELETE", "/v1/store"), ("POST", "/livez")] {
                try expect(await server.request(method, target, body: []), refusesWith: .tokenMissing)
                let known = try await server.request(method, target, [try #require(fields[.agent])], body: [])
                #expect([404, 405].contains(known.status))
            }
        }
    }

    @Test func eachRefusalSaysHowToDoBetter() async throws {
        try await withTokens { server, tokens, _ in
            let expired = try tokens.make(.client, expires: tokens.clock.now + 10)
            #expect(try await server.get("/v1/kernels", expired).status == 200)
            tokens.clock.advance(8)
            #expect(try await server.get("/v1/kernels", expired).status == 200)
            tokens.clock.advance(1)
            let agent = try tokens.make(.agent)
            let cases: [(field: String?, code: ProblemCode, challenge: String)] = [
                (nil, .tokenMissing, ""), ("Authorization: Basic eDp5", .tokenUnknown, #", error="invalid_token""#),
                ("Authorization: Digest eDp5", .tokenMissing, ""),
                ("Authorization: Bearer", .tokenMissing, ""), ("Authorization: khd_x", .tokenMissing, ""),
                ("Authorization: Bearer x", .tokenUnknown, #", error="invalid_token""#),
                (
                    "Authorization: bearer  \(String(repeating: "x", count: 9000))", .tokenUnknown,
                    #", error="invalid_token""#
                ),
                ("\(agent)0", .tokenUnknown, #", error="invalid_token""#),
                ("\(agent)\r\n\(agent)", .tokenUnknown, #", error="invalid_token""#),
                (expired, .tokenExpired, #", error="invalid_token""#),
                (agent, .roleInsufficient, #", error="insufficient_scope""#),
            ]
            for (field, code, challenge) in cases {
                let answer = try await server.request("GET", "/v1/kernels", field.map { [$0] } ?? [])
                try expect(answer, refusesWith: code)
                #expect(answer["WWW-Authenticate"] == #"Bearer realm="kheaderd""# + challenge)
            }
        }
    }

    @Test func theSchemeIsAWordInAnyCase() async throws {
        try await withTokens { server, tokens, _ in
            let secret = try tokens.secret(.client)
            for scheme in ["Bearer", "bearer", "BEARER ", "Bearer  "] {
                #expect(try await server.get("/v1/kernels", "authorization: \(scheme) \(secret)").status == 200)
            }
        }
    }

    @Test func aRevokedTokenIsRefusedFromTheNextSecondOn() async throws {
        try await withTokens { server, tokens, fields in
            let client = try #require(fields[.client])
            #expect(try await server.get("/v1/kernels", client).status == 200)
            let token = try #require(try tokens.file.read().first { $0.role == .client })
            _ = try tokens.file.revoke(token.id, now: tokens.clock.now)
            tokens.clock.advance()
            try expect(await server.get("/v1/kernels", client), refusesWith: .tokenUnknown)
            #expect(try await server.get("/v1/kernels", try #require(fields[.operator])).status == 200)
        }
    }

    /// What was read of them before says who they were, not who they are.
    @Test func aRevokedTokenIsRefusedWithRequestsThatCameBefore() async throws {
        try await withTokens { server, tokens, fields in
            let (client, agent) = (try #require(fields[.client]), try #require(fields[.agent]))
            let (path, report) = ("/v1/kernels/\(TestKernels.id)/sightings", TestSightings.json())
            func answers() async throws -> [HTTPAnswer] {
                [
                    try await server.get("/buildid/\(TestKernels.id)/manifest.json", client),
                    try await server.post(path, report, agent),
                ]
            }
            for _ in 1...3 { #expect(try await answers().map(\.status) == [404, 200]) }
            for token in try tokens.file.read() where token.role == .client || token.role == .agent {
                _ = try tokens.file.revoke(token.id, now: tokens.clock.now)
            }
            tokens.clock.advance()
            for answer in try await answers() { try expect(answer, refusesWith: .tokenUnknown) }
        }
    }

    // MARK: Bodies

    @Test func nothingIsReadOfWhoMayNotSend() async throws {
        try await withTokens { server, _, fields in
            for field in [nil, fields[.client]] {
                let connection = try server.connect()
                // The body never comes: who waited for it would not answer.
                await connection.send(
                    "PUT /v1/kernels/ab/headers?source=agent HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n"
                        + "Expect: 100-continue\r\n\(field.map { "\($0)\r\n" } ?? "")\r\n")
                let answer = try await connection.answer()
                #expect(answer.status == (field == nil ? 401 : 403))
                #expect(answer["Connection"] == "close")
                connection.close()
            }
            let connection = try server.connect()
            let tar = TestKernels.tar
            await connection.send(
                "PUT /v1/kernels/ab/headers?source=agent HTTP/1.1\r\nHost: x\r\nContent-Length: \(tar.count)\r\n"
                    + "Expect: 100-continue\r\n\(try #require(fields[.agent]))\r\n\r\n")
            #expect(try await connection.answer().status == 100)
            await connection.send(tar)
            #expect(try await connection.answer().status == 201)
            connection.close()
        }
    }

    // MARK: Where a server listens

    /// A page that somebody looks at must not change what a server on loopback has.
    @Test func pagesOfOtherSitesChangeNothing() async throws {
        try await withRunningServer { server in
            let path = "/v1/retention?dryRun=true"
            for field in [
                "Sec-Fetch-Site: cross-site", "Sec-Fetch-Site: same-site", "Origin: http://evil.example",
                "Origin: null",
            ] {
                try expect(await server.request("POST", path, [field], body: []), refusesWith: .crossSite)
            }
            #expect(try await server.request("POST", path, ["Sec-Fetch-Site: same-origin"], body: []).status == 200)
            #expect(try await server.request("POST", path, [], body: []).status == 200)
            // To read does no harm: another site's page does not get to see it.
            #expect(try await server.request("GET", "/v1/kernels", ["Sec-Fetch-Site: cross-site"]).status == 200)
        }
    }

    @Test func onLoopbackEveryoneIsLetInUntilThereIsAToken() async throws {
        try await withTokens(roles: []) { server, tokens, _ in
            // A token for another server does no harm.
            #expect(try await server.get("/v1/kernels", "Authorization: Bearer x").status == 200)
            #expect(try await server.put("/v1/kernels/ab/headers", TestKernels.tar).status == 201)
            let client = try tokens.make(.client)
            try expect(await server.get("/v1/kernels"), refusesWith: .tokenMissing)
            #expect(try await server.get("/v1/kernels", client).status == 200)
            // The last one's end is not the end of the demand.
            for token in try tokens.file.read() { _ = try tokens.file.revoke(token.id, now: 1) }
            tokens.clock.advance()
            try expect(await server.get("/v1/kernels"), refusesWith: .tokenMissing)
            unlink(tokens.file.path)
            tokens.clock.advance()
            #expect(try await server.get("/v1/kernels").status == 200)
        }
    }

    @Test func elsewhereTheEndOfTheFileOpensNothing() async throws {
        try await withTokens(at: "0.0.0.0:1") { server, tokens, fields in
            unlink(tokens.file.path)
            tokens.clock.advance()
            try expect(await server.get("/v1/kernels"), refusesWith: .tokenMissing)
            try expect(
                await server.get("/v1/kernels", try #require(fields[.operator])), refusesWith: .tokenUnknown)
        }
    }

    @Test(arguments: ["0.0.0.0:1", "127.0.0.1:1"])
    func anonymousReads(_ address: String) async throws {
        try await withTokens(at: address, anonymousReads: true) { server, _, fields in
            for target in ["/v1/kernels", "/metrics", "/v1/store"] {
                #expect(try await server.get(target).status == 200)
                #expect(try await server.head(target).status == 200)
                #expect(try await server.get(target, "Authorization: Bearer x").status == 200)
            }
            let path = "/v1/kernels/ab/headers?source=agent"
            try expect(await server.put(path, [1]), refusesWith: .tokenMissing)
            try expect(await server.get("/nowhere"), refusesWith: .tokenMissing)
            try expect(await server.put(path, [1], try #require(fields[.client])), refusesWith: .roleInsufficient)
            #expect(try await server.put(path, TestKernels.tar, try #require(fields[.agent])).status == 201)
        }
    }

    @Test func anonymousReadsWithoutTokensTakeNoUploads() async throws {
        try await withTokens(at: "0.0.0.0:1", anonymousReads: true, roles: []) { server, _, _ in
            #expect(try await server.get("/v1/kernels").status == 200)
            try expect(await server.put("/v1/kernels/ab/headers", [1]), refusesWith: .tokenMissing)
        }
    }

    @Test(arguments: [
        "127.0.0.1:1", "127.255.0.9:1", "localhost:1", "[::1]:1", "[::ffff:127.0.0.1]:1", "[0:0:0:0:0:0:0:1]:1",
        "unix:/socket",
    ])
    func whatOnlyThisHostCanReach(_ address: String) throws {
        #expect(try #require(ListenAddress(address)).isLocal())
        try withTemporaryFolder { _ = try Tokens(in: $0).control(address) }
    }

    @Test(arguments: [
        "0.0.0.0:1", "[::]:1", "10.0.0.1:1", "128.0.0.1:1", "[::2]:1", "[::ffff:10.0.0.1]:1", "[::ffff:0.0.0.0]:1",
        "[fe80::1]:1", "[7f00::1]:1",
    ])
    func whatOthersCanReachTakesATokenToStart(_ address: String) throws {
        #expect(try !#require(ListenAddress(address)).isLocal())
        try withTemporaryFolder { folder in
            let tokens = Tokens(in: folder)
            #expect { try tokens.control(address) } throws: { error in
                error is SettingsError && "\(error)".contains("kheaderd token create --state DIR --role operator")
            }
            _ = try tokens.control(address, anonymousReads: true)
            _ = try tokens.make(.operator)
            _ = try tokens.control(address)
        }
    }

    /// A token, or to let everyone read, is not what it lacks.
    @Test(arguments: ["no-such-host.invalid", "127.0.0.1.invalid"])
    func aNameWithoutAnAddressIsSaid(_ host: String) throws {
        try withTemporaryFolder { folder in
            for anonymousReads in [false, true] {
                let error = #expect(throws: ListenError.self) {
                    try Tokens(in: folder).control("\(host):1", anonymousReads: anonymousReads)
                }
                #expect(
                    error?.description.hasPrefix(
                        "Can't listen on http://\(host):1: the name \(host) has no address here, ") == true)
            }
        }
    }

    // MARK: A damaged file

    @Test(arguments: ["", "{", "[]", #"{"version":2,"tokens":[]}"#, #"{"version":1,"tokens":[{"id":"x"}]}"#])
    func whileTheTokensCantBeReadNobodyIsLetIn(_ contents: String) async throws {
        try await withTokens { server, tokens, fields in
            let good = try server.folder.read("store/tokens.json")
            try server.folder.write(contents.utf8, to: "store/tokens.json")
            tokens.clock.advance()
            for field in [nil, fields[.operator]] {
                let answer = try await server.request("GET", "/v1/kernels", field.map { [$0] } ?? [])
                try expect(answer, refusesWith: .storeDamaged)
                #expect(!answer.text.contains("tokens.json"))
            }
            #expect(try await server.get("/livez").status == 200)
            #expect(throws: TokenFileError.self) { try tokens.control() }
            #expect(throws: TokenFileError.self) { try tokens.make(.agent) }
            #expect(try server.folder.read("store/tokens.json") == Array(contents.utf8))
            // Put right, it serves again without a restart.
            try server.folder.write(good, to: "store/tokens.json")
            tokens.clock.advance()
            #expect(try await server.get("/v1/kernels", try #require(fields[.operator])).status == 200)
        }
    }
}
