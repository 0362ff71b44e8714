import FoundationEssentials
import Glibc
import HTTPTypes
import HeaderArchive
import HeaderStore
import Hummingbird
import KHeaderTestSupport
import KernelHeaders
import PrecompiledHeaders
import Synchronization
import Testing

@testable import HeaderServer

/// `openapi/openapi.yaml` says what the server does: neither less nor more.
@Suite struct OpenAPITests {
    private let document: OpenAPIDocument

    init() throws { document = try OpenAPIDocument() }

    @Test func everyRouteIsDocumentedAndNoOther() async throws {
        let routes = try await withRunningServer { server in
            HeaderServer.router(store: server.store, access: .open).routes.map { route in
                "\(route.method.rawValue) \(route.path)".replacing("**", with: "{path}")
            }
        }
        #expect(Set(routes) == Set(document.operations.keys))
        #expect(routes.count == document.operations.count)
    }

    @Test func everyCodeIsDocumentedAndNoOther() throws {
        let codes = document.root["components"]?["schemas"]?["ProblemCode"]?["enum"]?.items.compactMap(\.string)
        #expect(codes == ProblemCode.allCases.map(\.rawValue))
    }

    @Test func everyPathParameterIsDeclared() throws {
        for (name, operation) in document.operations {
            let declared = try (operation["parameters"]?.items ?? []).map { try document.resolved($0) }
                .filter { $0["in"] == .string("path") }
            #expect(declared.allSatisfy { $0["required"] == .bool(true) })
            let inPath = name.split(separator: "{").dropFirst().map { String($0.prefix { $0 != "}" }) }
            #expect(Set(declared.compactMap { $0["name"]?.string }) == Set(inPath), "\(name)")
        }
    }

    @Test func operationsHaveNamesOfTheirOwn() {
        let names = document.operations.values.compactMap { $0["operationId"]?.string }
        #expect(Set(names).count == document.operations.count)
    }

    @Test func everyReferenceLeadsToAComponentAndEveryComponentIsUsed() throws {
        var used: Set<String> = []
        try document.root.walk { _, value in
            guard let reference = value["$ref"]?.string else { return }
            used.insert(reference)
            _ = try document.resolved(value)
        }
        for operation in document.operations.values {
            for alternative in operation["security"]?.items ?? [] {
                for name in alternative.members.keys { used.insert("#/components/securitySchemes/\(name)") }
            }
        }
        var components: Set<String> = []
        for (kind, members) in document.root["components"]?.members ?? [:] {
            for name in members.members.keys { components.insert("#/components/\(kind)/\(name)") }
        }
        #expect(used == components)
    }

    @Test func everyExampleFitsItsSchema() throws {
        var count = 0
        try document.root.walk { path, value in
            guard let example = value["example"] else { return }
            count += 1
            let flaws = try document.flaws(of: example, in: value["schema"] ?? value)
            #expect(flaws == [], "\(path)")
        }
        #expect(count > 20)
    }

    /// A request, under the operation that it is one of.
    private struct Exchange {
        let operation: String
        let target: String
        var fields: [String] = []
        var body: [UInt8]?
    }

    /// Requests that get every documented status but those of a server in trouble.
    private static func exchanges(digest: String) -> [Exchange] {
        var exchanges: [Exchange] = []
        func get(_ path: String, _ values: [String: String], _ fields: String..., query: String = "") {
            let target = values.reduce(path) { $0.replacing("{\($1.key)}", with: $1.value) }
            exchanges.append(Exchange(operation: "GET \(path)", target: target + query, fields: fields))
        }
        func put(_ target: String, _ body: [UInt8], _ fields: String...) {
            let operation = "PUT /v1/kernels/{buildID}/\(target.contains("/btf") ? "btf" : "headers")"
            exchanges.append(
                Exchange(operation: operation, target: "/v1/kernels/\(target)", fields: fields, body: body))
        }
        func post(_ id: String, _ body: String) {
            exchanges.append(
                Exchange(
                    operation: "POST /v1/kernels/{buildID}/sightings", target: "/v1/kernels/\(id)/sightings",
                    body: Array(body.utf8)))
        }
        let sighting = TestSightings.json(offers: [.init(.headers, origin: .sysfs, bytes: 9), .init(.btf)])
        post(TestKernels.id, sighting)
        post("x", sighting)
        post("ab", sighting)
        post(TestKernels.id, String(repeating: " ", count: Sighting.maximumBytes + 1))
        for _ in 1...2 { put("\(TestKernels.id)/headers", TestKernels.tar()) }
        put("\(TestKernels.otherID)/headers?hasBTF=true&release=6&versionLine=x&source=agent", TestKernels.tar())
        put("x/headers", [])
        put("ab/headers?source=x", [])
        put("ab/headers", [1], "Content-Digest: sha-256=:AAAA:")
        put("ab/headers", [1], "Content-Digest: sha-256=:\(String(repeating: "A", count: 43))=:")
        put("\(TestKernels.id)/headers", TestKernels.tar { $0.addFile("include/more.h") })
        put("ab/headers", [UInt8](repeating: 0, count: 20_001))
        put("ab/headers", [UInt8](repeating: 1, count: 1000))
        put("ab/headers", [])
        put("ab/headers", TestKernels.tar { $0.addFile("../x.h") })
        put("ab/headers?architecture=sparc64", TestKernels.tar { $0.addFile("arch/x86/include/asm/page.h") })
        for _ in 1...2 { put("\(TestKernels.id)/btf", SmallBTF.bytes()) }
        put("\(TestKernels.id)/btf", SmallBTF.bytes(["x"]))
        put("x/btf", [])
        put("ab/btf", [1], "Content-Digest: sha-256=:\(String(repeating: "A", count: 43))=:")
        put("ab/btf", [1])
        put("ab/btf", [UInt8](repeating: 1, count: 1001))
        get("/metadata", [:], query: "?key=buildid&value=\(TestKernels.id)")
        get("/metadata", [:], query: "?key=glob&value=*")
        get("/metadata", [:])
        for name in ["debuginfo", "executable"] {
            for id in [TestKernels.id, "XX"] { get("/buildid/{buildID}/\(name)", ["buildID": id]) }
        }
        for path in ["/livez", "/readyz", "/metrics", "/v1/store", "/v1/toolchains", "/v1/kernels"] { get(path, [:]) }
        for query in ["", "?seenDays=x", "?headers=false&seenDays=7"] { get("/", [:], query: query) }
        get("/coverage", [:])
        for id in [TestKernels.id, "XX", "ff"] { get("/kernels/{buildID}", ["buildID": id]) }
        get("/kernels/{buildID}", ["buildID": TestKernels.id], query: "?compare=\(TestKernels.otherID)")
        get("/assets/{name}", ["name": "x"])
        for field in [
            "Accept: */*", "Range: bytes=0-3", "Range: bytes=0-0,-1", "Range: bytes=999999-", "If-None-Match: *",
            "If-Match: \"x\"", "X-DEBUGINFOD-MAXSIZE: 1",
        ] {
            get("/openapi.yaml", [:], field)
            for asset in PageAsset.all { get("/assets/{name}", ["name": asset.name], field) }
        }
        get("/v1/kernels", [:], query: "?limit=1")
        for what in ["verify", "collect", "repack"] {
            get("/v1/store/\(what)", [:])
            for query in what == "collect" ? ["", "?dryRun=true", "?dryRun=x"] : [""] {
                exchanges.append(
                    Exchange(operation: "POST /v1/store/\(what)", target: "/v1/store/\(what)\(query)", body: []))
            }
        }
        get("/v1/kernels", [:], query: "?limit=x")
        get("/v1/kernels", [:], query: "?sort=hosts&order=asc&headers=true&releaseGlob=6.*&seenSince=1")
        for end in ["", "/hosts", "/conflicts"] {
            for id in [TestKernels.id, "XX", "ff"] { get("/v1/kernels/{buildID}\(end)", ["buildID": id]) }
        }
        for path in ["/v1/conflicts", "/v1/coverage"] {
            get(path, [:])
            get(path, [:], query: "?limit=x")
        }
        let names =
            BundleFormat.allCases.map { "headers.\($0.rawValue)" }
            + ["manifest.json", "source/{path}", "section/{section}"]
        for (base, name, known) in [("buildid", "buildID", TestKernels.id), ("trees", "treeDigest", digest)] {
            let unknown = String(repeating: "0", count: known.count)
            for file in names where base == "buildid" || !file.hasPrefix("section") {
                let path = "/\(base)/{\(name)}/\(file)"
                let values = [name: known, "path": "include/linux/kconfig.h", "section": ".BTF"]
                get(path, values)
                for field in [
                    "Range: bytes=0-3", "Range: bytes=0-0,-1", "Range: bytes=999999-", "If-None-Match: *",
                    "If-Match: \"x\"", "X-DEBUGINFOD-MAXSIZE: 1",
                ] {
                    get(path, values, field)
                }
                for value in ["x", unknown] {
                    get(path, [name: value, "path": "include/linux/kconfig.h", "section": ".BTF"])
                }
            }
            for value in ["include/none.h", "include/%00"] {
                get("/\(base)/{\(name)}/source/{path}", [name: known, "path": value])
            }
        }
        get("/buildid/{buildID}/section/{section}", ["buildID": TestKernels.id, "section": ".text"])
        // The last ones: the kernel is deleted.
        for (method, end) in [("PUT", "/pin"), ("DELETE", ""), ("DELETE", "/pin"), ("DELETE", ""), ("DELETE", "")] {
            for id in [TestKernels.otherID, "XX", "ff"] {
                exchanges.append(
                    Exchange(
                        operation: "\(method) /v1/kernels/{buildID}\(end)",
                        target: "/v1/kernels/\(id)\(end)?reason=x"))
            }
        }
        for query in ["?dryRun=true&newest=0&bytes=1", "?dryRun=x"] {
            exchanges.append(Exchange(operation: "POST /v1/retention", target: "/v1/retention\(query)", body: []))
        }
        get("/v1/kernels/{buildID}", ["buildID": TestKernels.otherID])
        get("/v1/kernels", [:], query: "?purged=true")
        return exchanges
    }

    /// Requests for PCHs and profiles; `net` and `block` fill a queue of one, and never end.
    private func exchanges(ofPCHs pch: PCHServer, kernel id: String) async throws -> [Exchange] {
        let foreign = try #require(FakeToolchain.foreign)
        let order = try await pch.order(.sched, toolchain: foreign, of: id)
        var exchanges: [Exchange] = []
        let path = "/buildid/{buildID}/pch/{toolchain}/{profile}/{umbrella}"
        let conditions = [
            [], ["Range: bytes=0-3"], ["Range: bytes=0-0,-1"], ["Range: bytes=999999-"], ["If-None-Match: *"],
            ["If-Match: \"x\""], ["X-DEBUGINFOD-MAXSIZE: 1"], ["Accept-Encoding: zstd"],
        ]
        for end in ["", "/manifest.json"] {
            let targets = [
                pch.path("net", of: id), pch.path("all", of: id), pch.path(of: "XX"), pch.path(of: "ff"),
                pch.path(toolchain: order.key, of: id), pch.path(profile: "none", of: id), pch.path("none", of: id),
                pch.path(of: TestKernels.id),
            ]
            let all = targets.map { ($0, []) } + conditions.map { (pch.path(of: id), $0) }
            for (target, fields) in all {
                exchanges.append(Exchange(operation: "GET \(path)\(end)", target: target + end, fields: fields))
            }
        }
        func put(_ operation: String, _ target: String, _ body: [UInt8]) {
            exchanges.append(Exchange(operation: "PUT \(operation)", target: target, body: body))
        }
        func tar(_ bytes: [UInt8]) throws -> [UInt8] {
            var forge = TarForge()
            forge.addFile("manifest.json", Array(try JSONEncoder().encode(FakeBuilding.manifest(order, bytes))))
            forge.addFile("toolchain.json", Array(try JSONEncoder().encode(foreign)))
            forge.addFile("pch", bytes)
            return forge.finished()
        }
        let target = pch.path(toolchain: foreign.id, of: id)
        for _ in 1...2 { put(path, target, try tar(FakeBuilding.bytes("x"))) }
        put(path, pch.path(of: "XX"), [1])
        put(path, pch.path(of: "ff"), [1])
        put(path, pch.path(of: id), [1])
        put(path, target, [UInt8](repeating: 1, count: 1024))
        put(path, target, try tar(FakeBuilding.bytes("x").dropLast()))
        put(path, target, try tar(Array("CPCH".utf8) + [UInt8](repeating: 1, count: 7000)))
        exchanges.append(
            Exchange(operation: "GET \(path)", target: "\(target)?rank=builder", fields: ["Accept-Encoding: zstd"]))
        exchanges.append(Exchange(operation: "GET \(path)", target: target))

        let profile = CompilerProfile(name: "x", flags: ["-O2"], headers: ["/virtual/x.h": ""])
        let json = Array(try JSONEncoder().encode(profile))
        let large = json + [UInt8](repeating: 0x20, count: CompilerProfile.limit)
        for body in [json, json, [], large] { put("/v1/profiles/{id}", APIPath.profile(profile.id), body) }
        put("/v1/profiles/{id}", "/v1/profiles/x", json)
        for fields in conditions {
            exchanges.append(
                Exchange(operation: "GET /v1/profiles/{id}", target: APIPath.profile(profile.id), fields: fields))
        }
        for id in ["x", "\(order.key)"] {
            exchanges.append(Exchange(operation: "GET /v1/profiles/{id}", target: "/v1/profiles/\(id)"))
        }
        return exchanges
    }

    /// The statuses of a server whose disk is full or broken.
    private static let trouble: Set<Int> = [500, 503, 507]

    /// Uploads in several requests, whose URLs the server makes up. At the end there are as many as it takes.
    private func uploadInParts(
        _ server: RunningServer, _ tell: (_ operation: String, HTTPAnswer) throws -> Void
    ) async throws {
        let tar = TestKernels.tar()
        func begin(_ id: String, _ artefact: String = "headers") async throws -> String {
            let target = "/v1/kernels/\(id)/\(artefact)"
            let answer = try await server.request("PUT", target, ["Upload-Complete: ?0"], body: [])
            try tell("PUT /v1/kernels/{buildID}/\(artefact)", answer)
            return answer["Location"] ?? "/v1/uploads/x"
        }
        func send(
            _ method: String, _ path: String, _ bytes: [UInt8]? = nil, at offset: Int = 0, isLast: Bool = true,
            type: String = "application/partial-upload"
        ) async throws {
            let fields = [
                "Content-Type: \(type)", "Upload-Offset: \(offset)", "Upload-Complete: \(isLast ? "?1" : "?0")",
            ]
            let answer = try await server.request(method, path, bytes == nil ? [] : fields, body: bytes)
            try tell("\(method) /v1/uploads/{token}", answer)
        }
        let upload = try await begin("0011")
        try await send("HEAD", upload)
        try await send("PATCH", upload, tar, at: 7)
        try await send("PATCH", upload, tar, type: "text/plain")
        try await send("PATCH", upload, tar, at: -1)
        try await send("PATCH", upload, Array(tar[..<9]), isLast: false)
        for bytes in [tar[9...], []] { try await send("PATCH", upload, Array(bytes), at: tar.count - bytes.count) }
        try await send("HEAD", upload)
        try await send("PATCH", try await begin(TestKernels.id), tar)
        try await send("PATCH", try await begin("0044", "btf"), [1])
        try await send("PATCH", try await begin("0022", "btf"), SmallBTF.bytes())
        try await send("PATCH", try await begin("0022"), [UInt8](repeating: 0, count: 20_001))
        try await send("DELETE", try await begin("0022"))
        for method in ["HEAD", "DELETE", "PATCH"] {
            try await send(method, "/v1/uploads/x", method == "PATCH" ? [] : nil)
        }
        for artefact in ["headers", "headers", "headers", "headers", "btf"] { _ = try await begin("0033", artefact) }
    }

    @Test func everyAnswerIsAsDocumented() async throws {
        var uploads = UploadLimits()
        uploads.sessions = 3
        let building = FakeBuilding()
        let options = try await PCHOptions.fake(building) {
            $0.queue = 1
            $0.limits.outputBytes = 6000
        }
        try await withRunningServer(
            uploads: uploads, pch: options,
            options: {
                $0.limits.archiveBytes = 20_000
                $0.btfBytes = 1000
            }
        ) { server in
            let pch = PCHServer(server: server, building: building, toolchain: try await FakeToolchain.id)
            let kernel = "cc"
            try await pch.addKernel(TestKernels.tar { $0.addFile("arch/x86/include/asm/page.h") }, as: kernel)
            #expect(try await pch.ready(pch.path(of: kernel)).status == 200)
            building.hold("net", "block")
            _ = try await server.get(pch.path("net", of: kernel))
            while let name = await pch.nextBeginning(), name != "net" {}
            _ = try await server.get(pch.path("block", of: kernel))
            let digest = try await server.upload(
                TestKernels.tar { $0.addLink("include/l.h", to: "linux/kconfig.h") }, as: "aa"
            )
            .treeDigest
            var seen: [String: Set<Int>] = [:]
            let all = try await Self.exchanges(digest: "\(digest)") + exchanges(ofPCHs: pch, kernel: kernel)
            for exchange in all {
                let method = String(exchange.operation.prefix { $0 != " " })
                let answer = try await server.request(method, exchange.target, exchange.fields, body: exchange.body)
                try hold(answer, against: exchange.operation, "\(method) \(exchange.target) \(exchange.fields)")
                seen[exchange.operation, default: []].insert(answer.status)
            }
            for (name, statuses) in try await refusals() { seen[name, default: []].formUnion(statuses) }
            try await uploadInParts(server) { operation, answer in
                try hold(answer, against: operation, "\(operation) \(answer.status)")
                seen[operation, default: []].insert(answer.status)
            }
            for (name, operation) in document.operations {
                let documented = Set((operation["responses"]?.members ?? [:]).keys.compactMap { Int($0) })
                #expect(documented.subtracting(Self.trouble) == seen[name], "\(name)")
            }
        }
    }

    /// The roles that an operation is for; nil if it is for everyone.
    private func roles(_ operation: JSONValue) throws -> Set<TokenRole>? {
        let alternatives = try #require(operation["security"]?.items)
        let names = alternatives.flatMap { $0["token"]?.items ?? [] }.compactMap(\.string)
        return alternatives.isEmpty ? nil : Set(try names.map { try #require(TokenRole(rawValue: $0)) })
    }

    private func target(_ operation: String) -> (method: String, path: String) {
        let words = operation.split(separator: " ")
        let digest = String(repeating: "0", count: 64)
        let values = [
            "buildID": TestKernels.id, "treeDigest": digest, "section": ".BTF", "toolchain": digest, "profile": "bpf",
            "umbrella": "sched", "id": digest, "name": "x",
        ]
        let path = values.reduce(String(words[1])) { $0.replacing("{\($1.key)}", with: $1.value) }
        return (String(words[0]), path.replacing("{path}", with: "x").replacing("{token}", with: "x"))
    }

    /// Asks for everything without a token, and with one of a role that it is not for.
    private func refusals() async throws -> [String: Set<Int>] {
        try await withTemporaryFolder { folder in
            var fields: [TokenRole: String] = [:]
            for role in TokenRole.allCases { fields[role] = try folder.authorization(role) }
            return try await withRunningServer(in: folder) { server in
                var seen: [String: Set<Int>] = [:]
                for (name, operation) in document.operations {
                    guard let roles = try roles(operation) else { continue }
                    let (method, path) = target(name)
                    let other = try #require(TokenRole.allCases.first { !roles.contains($0) })
                    for fields in [[], ["Authorization: Bearer x"], [try #require(fields[other])]] {
                        let answer = try await server.request(
                            method, path, fields, body: method == "GET" ? nil : [1])
                        try hold(answer, against: name, "\(name) \(fields.count)")
                        seen[name, default: []].insert(answer.status)
                    }
                }
                return seen
            }
        }
    }

    @Test func whomARouteIsForIsAsDocumented() throws {
        for (name, operation) in document.operations {
            let audience = try #require(Audience.ofRoutes[name.replacing("{path}", with: "**")], "\(name)")
            let roles = Set(TokenRole.allCases.filter { audience.includes($0) })
            #expect(try self.roles(operation) == (audience == .everyone ? nil : roles), "\(name)")
        }
    }

    @Test func aServerWithoutItsTokensAnswersAsDocumented() async throws {
        let time = Mutex(0)
        var access = ServerAccess()
        // Another time whenever it is asked for: the file is looked at each time.
        access.now = {
            time.withLock {
                $0 += 1
                return $0
            }
        }
        try await withRunningServer(access: access) { server in
            try server.folder.write("{".utf8, to: "store/tokens.json")
            for (name, operation) in document.operations where try roles(operation) != nil {
                let (method, path) = target(name)
                let answer = try await server.request(method, path, body: method == "GET" ? nil : [1])
                #expect(answer.status == 500)
                try hold(answer, against: name, name)
            }
        }
    }

    @Test func aServerInTroubleAnswersAsDocumented() async throws {
        let files = WatchedFileSystem()
        let free = Mutex(1 << 30)
        try await withRunningServer(options: {
            $0.files = files
            $0.freeBytes = { free.withLock { $0 } }
        }) { server in
            try await server.upload(TestKernels.tar())
            for (room, number) in [(0, nil), (1 << 30, EIO)] {
                free.withLock { $0 = room }
                files.fail(number)
                let ready = try await server.get("/readyz")
                #expect(ready.status == (room == 0 ? 503 : 200))
                try hold(ready, against: "GET /readyz", "\(room)")
                let answer = try await server.put("/v1/kernels/ab/headers", TestKernels.tar())
                #expect(Self.trouble.contains(answer.status))
                try hold(answer, against: "PUT /v1/kernels/{buildID}/headers", "\(room)")
                let btf = try await server.put("/v1/kernels/ab/btf", SmallBTF.bytes())
                #expect(Self.trouble.contains(btf.status))
                try hold(btf, against: "PUT /v1/kernels/{buildID}/btf", "\(room)")
                for format in BundleFormat.allCases {
                    let name = "headers.\(format.rawValue)"
                    let answer = try await server.get("/buildid/\(TestKernels.id)/\(name)")
                    #expect(Self.trouble.contains(answer.status))
                    try hold(answer, against: "GET /buildid/{buildID}/\(name)", "\(name) \(room)")
                }
            }
        }
    }

    /// Expects an answer to be as its operation says.
    private func hold(_ answer: HTTPAnswer, against name: String, _ what: String) throws {
        let operation = try #require(document.operations[name])
        #expect(try document.flaws(of: answer, to: operation) == [], "\(what)")
        guard !answer.body.isEmpty, let problem = try answer.problem else { return }
        // The codes that a status may come with are named.
        let description = try document.response(operation, answer.status)?["description"]?.string ?? ""
        let code = problem.code.rawValue
        let isNamed = description.contains(code) || (code.hasPrefix("archive-") && description.contains("archive-…"))
        #expect(isNamed, "\(what) \(code)")
    }
}
