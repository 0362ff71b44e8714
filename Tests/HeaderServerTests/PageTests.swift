import HTTPTypes
import HeaderArchive
import HeaderStore
import Hummingbird
import KHeaderTestSupport
import KernelHeaders
import OperatorDocuments
import Testing

@testable import HeaderServer

/// The pages for people: what is on them, and that nothing that a host says becomes a part of them.
@Suite struct PageTests {
    private static let browser = "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"

    private func page(_ server: RunningServer, _ path: String) async throws -> String {
        let answer = try await server.get(path, Self.browser)
        #expect(answer.status == 200, "\(path): \(answer.text)")
        #expect(answer["Content-Type"] == "text/html; charset=utf-8")
        return answer.text
    }

    // MARK: Fields

    @Test func aPageIsSentWithWhatKeepsItHarmless() async throws {
        try await withRunningServer { server in
            try await server.upload()
            for path in ["/", "/coverage", "/kernels/\(TestKernels.id)", "/nowhere", "/kernels/x"] {
                let answer = try await server.get(path, Self.browser)
                let policy = try #require(answer["Content-Security-Policy"])
                #expect(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"))
                #expect(!policy.contains("unsafe"))
                #expect(answer["X-Content-Type-Options"] == "nosniff")
                #expect(answer["Referrer-Policy"] == "no-referrer")
                #expect(answer["Cache-Control"] == (answer.status == 200 ? "private, no-cache" : "no-store"))
                #expect(answer["X-Request-ID"] != nil)
                #expect(!answer.text.contains("<script") && !answer.text.contains("style=\""))
                let head = try await server.head(path, Self.browser)
                #expect(head.status == answer.status && head.body.isEmpty)
                #expect(head["Content-Length"] == answer["Content-Length"])
            }
        }
    }

    @Test func whatPagesReferToCanBeKeptForEver() async throws {
        try await withRunningServer { server in
            let html = try await page(server, "/")
            for asset in PageAsset.all {
                #expect(html.contains("\"\(asset.path)\""))
                let answer = try await server.get(asset.path)
                #expect(answer.status == 200 && answer.body == asset.bytes)
                #expect(answer["Content-Type"] == asset.mediaType)
                #expect(answer["Cache-Control"] == "public, max-age=31536000, immutable")
            }
            try expect(await server.get("/assets/style.css"), refusesWith: .routeUnknown)
        }
    }

    // MARK: Hostile text

    /// Text that would do harm in an element, an attribute, or to the order of what stands around it.
    private static let hostile = "</bdi><script>alert('1')</script>\"\u{301} onfocus=\"x\u{202E}\u{2066}&amp;\u{2028}é"
    private static let harmless =
        "&lt;/bdi&gt;&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&quot;\u{301} onfocus=&quot;x[U+202E][U+2066]&amp;amp;[U+2028]é"

    private func expectHarmless(_ html: String, _ what: String) {
        // As scalars: an accent makes another character of the quote before it.
        let scalars = Array(html.unicodeScalars)
        for index in scalars.indices.dropLast() where scalars[index] == "\"" {
            #expect(scalars[index + 1] != "\u{301}", "\(what)")
        }
        #expect(!html.contains("<script"), "\(what)")
        for scalar in "\u{202E}\u{2066}\u{2028}".unicodeScalars { #expect(!scalars.contains(scalar), "\(what)") }
        #expect(html.utf8.firstRange(of: Self.harmless.utf8) != nil, "\(what)")
    }

    @Test func aReleaseIsText() async throws {
        try await withRunningServer { server in
            let query = APIPath.query([("release", Self.hostile), ("versionLine", Self.hostile)])
            try await server.upload(TestKernels.tar(), query: query)
            try await server.upload(
                TestKernels.tar { $0.addFile("include/x.h", "") }, as: TestKernels.otherID, query: query)
            let sighting = Sighting(
                host: TestSightings.host(1), bootID: "b", agent: Self.hostile,
                kernel: KernelIdentity(
                    buildID: try #require(BuildID("ff01")), release: Self.hostile,
                    architecture: Architecture(machine: Self.hostile)),
                steps: [CollectStep(.modulesFolder, .damaged, Self.hostile)], offers: [])
            #expect(try await server.post("/v1/kernels/ff01/sightings", TestSightings.json(sighting)).status == 200)
            for path in [
                "/", "/coverage", "/kernels/\(TestKernels.id)?compare=\(TestKernels.otherID)", "/kernels/ff01",
                "/" + APIPath.query([("releaseGlob", Self.hostile)]),
                "/" + APIPath.query([("architecture", Self.hostile), ("distribution", Self.hostile)]),
            ] {
                expectHarmless(try await page(server, path), path)
            }
        }
    }

    /// All texts of the documents that pages are made of.
    @Test func everyTextIsText() throws {
        let id = try #require(BuildID(TestKernels.id))
        let digest = Digest(of: [1])
        let entry = KernelEntry(
            identity: KernelIdentity(
                buildID: id, release: Self.hostile, versionLine: Self.hostile,
                architecture: Architecture(machine: Self.hostile)),
            distribution: Self.hostile,
            headers: .init(source: .agent, treeDigest: digest, files: 1, bytes: 1), firstSeen: 1, lastSeen: 1, hosts: 1,
            conflicts: 1, smoke: SmokeResult(state: .failed, compiler: Self.hostile, detail: Self.hostile, time: 1),
            pin: KernelMark(time: 1, reason: Self.hostile), purge: KernelMark(time: 1, reason: Self.hostile))
        let steps = [CollectStep(.sysfs, .damaged, Self.hostile)]
        let side = KernelConflict.Side(
            artefact: .headers, digest: digest, source: .agent, isServed: false, hosts: 1,
            hostIDs: [TestSightings.host(1)], firstSeen: 1, lastSeen: 1)
        let conflict = KernelConflict(buildID: id, release: Self.hostile, sides: [side])
        let detail = KernelDetail(
            entry: entry,
            artefacts: [
                .init(.pch, path: "/x", profile: Self.hostile, umbrella: Self.hostile, rank: Self.hostile)
            ], absence: Self.hostile, reports: [AgentReport(hosts: 1, steps: steps)], conflict: conflict)
        let hosts = HostList(
            hosts: [
                HostEntry(
                    host: TestSightings.host(1), bootID: Self.hostile, agent: Self.hostile, firstSeen: 1, lastSeen: 1,
                    steps: steps)
            ], next: nil)
        var difference = TreeManifest(entries: [])
        let path = try #require(HeaderPath("include/\(Self.hostile.filter { $0 != "/" })"))
        difference = TreeManifest(entries: [.init(path: path, kind: .link(target: "x"))])
        let kernel = KernelView(
            .init(
                detail: detail, hosts: hosts, others: [entry],
                comparison: .init(
                    text: Self.hostile,
                    result: .success((entry, TreeDifference(from: TreeManifest(entries: []), to: difference)))),
                server: Self.hostile, now: 2))
        expectHarmless(PageLibrary.html(kernel), "kernel")
        let count = Coverage.Count(all: 1, headers: 0, btf: 0, pch: 0)
        let coverage = Coverage(
            time: 2, kernels: count, hosts: count,
            gaps: [.init(kernel: entry, lacks: [.headers], reports: [AgentReport(hosts: 1, steps: steps)])],
            gapCount: 1,
            releases: [
                .init(
                    release: Self.hostile, count: 1,
                    builds: [.init(buildID: id, versionLine: Self.hostile, hosts: 1, hasHeaders: false)])
            ], releaseCount: 1, conflicts: [conflict], conflictCount: 1)
        expectHarmless(PageLibrary.html(CoverageView(coverage)), "coverage")
        let problem = Problem(.internalError, Self.hostile, requestID: Self.hostile)
        expectHarmless(PageLibrary.html(ProblemView(problem)), "problem")
    }

    @Test func aReleaseOfFourThousandBytesIsRefusedOnAPageToo() async throws {
        try await withRunningServer { server in
            let long = String(repeating: "x", count: 4096)
            let answer = try await server.get("/?releaseGlob=\(long)", Self.browser)
            #expect(answer.status == 400)
            #expect(answer.text.contains("parameter-malformed"))
            try await server.upload()
            // It is shown again, shortened by nobody, and does no harm.
            let html = try await page(server, "/kernels/\(TestKernels.id)?compare=\(long)")
            #expect(html.contains("This is not a GNU build ID"))
            let label = String(repeating: "y", count: KernelIdentity.maximumLabelLength)
            try await server.upload(TestKernels.tar(), as: "ab", query: "?release=\(label)")
            #expect(try await page(server, "/kernels/ab").contains(label))
        }
    }

    // MARK: Contents

    @Test func anEmptyStoreSaysHowToBegin() async throws {
        try await withRunningServer { server in
            let html = try await page(server, "/")
            #expect(html.contains("No kernel yet") && html.contains("kheader-agent run"))
            #expect(!html.contains("<table"))
            #expect(try await page(server, "/coverage").contains("No host has reported"))
        }
    }

    /// The build IDs that a page of the list links to.
    private func ids(_ html: String) -> [String] {
        html.matches(of: /<th scope="row" role="rowheader"><a href="\/kernels\/([0-9a-f]+)">/).map { String($0.1) }
    }

    @Test func pagesOfTheListMakeUpTheList() async throws {
        try await withRunningServer { server in
            let count = FleetQuery.pageSize * 2 + 3
            for number in 0..<count {
                let id = "aa" + (number < 16 ? "0" : "") + String(number, radix: 16)
                #expect(try await server.put("/v1/kernels/\(id)/btf", SmallBTF.bytes(["\(number)"])).status == 201)
            }
            var found: [String] = []
            var next: String? = "/?btf=true&sort=hosts"
            while let path = next, found.count <= count {
                let html = try await page(server, path)
                let ids = ids(html)
                #expect(ids.count <= FleetQuery.pageSize)
                found += ids
                next = html.firstMatch(of: /<a href="([^"]+)" rel="next">/).map {
                    String($0.1).replacing("&amp;", with: "&")
                }
                #expect(html.contains("First page") == (path.contains("cursor=")))
            }
            #expect(found.count == count && Set(found).count == count)
        }
    }

    @Test func theFormFilters() async throws {
        try await withRunningServer { server in
            try await server.upload(TestKernels.tar(), query: "?release=6.1.0-1-amd64")
            try await server.upload(TestKernels.tar(), as: "ab", query: "?release=5.10.0-2-amd64&architecture=x86_64")
            #expect(try await server.put("/v1/kernels/ac/btf", SmallBTF.bytes()).status == 201)
            for (query, expected) in [
                ("", ["ac", "ab", TestKernels.id]), ("releaseGlob=10.0", ["ab"]),
                ("releaseGlob=6.1*", [TestKernels.id]),
                ("releaseGlob=&headers=&sort=&seenDays=", ["ac", "ab", TestKernels.id]), ("headers=false", ["ac"]),
                ("btf=true", ["ac"]), ("architecture=x86_64&releaseGlob=5", ["ab"]), ("seenDays=1&btf=true", ["ac"]),
                ("conflict=true", []),
            ] {
                let html = try await page(server, "/?\(query)")
                #expect(Set(ids(html)) == Set(expected), "\(query)")
                #expect(html.contains("Show all") == !["", "releaseGlob=&headers=&sort=&seenDays="].contains(query))
            }
            // As browsers write a space and a plus.
            try await server.upload(TestKernels.tar(), as: "ad", query: "?release=6.2%2B%20x")
            #expect(ids(try await page(server, "/?releaseGlob=6.2%2B+x")) == ["ad"])
            #expect(ids(try await page(server, "/?releaseGlob=6.2+x")) == [])
            // What was asked for stands in the form.
            let html = try await page(server, "/?headers=false&releaseGlob=a%22b")
            #expect(html.contains(#"value="a&quot;b""#) && html.contains(#"<option value="false" selected>missing"#))
            #expect(try await server.get("/?headers=perhaps", Self.browser).status == 400)
            #expect(try await server.get("/?seenDays=x", Self.browser).status == 400)
        }
    }

    @Test func aKernelsPageHasWhatCanBeHadOfIt() async throws {
        try await withRunningServer { server in
            try await server.upload(query: "?source=import")
            let html = try await page(server, "/kernels/\(TestKernels.id)")
            for format in BundleFormat.allCases {
                let path = "/buildid/\(TestKernels.id)/headers.\(format.rawValue)"
                #expect(html.contains("<a href=\"\(path)\">"))
                #expect(try await server.head(path).status == 200)
            }
            #expect(html.contains("kheader exec --build-id \(TestKernels.id)"))
            #expect(html.contains("export KHEADER_URLS=http://127.0.0.1"))
            #expect(html.contains("import: out of a distribution"))
            #expect(!html.contains("Compare with another kernel</h2>\n<p class=\"alert\""))
            let hostile = try await server.request(
                "GET", "/kernels/\(TestKernels.id)",
                ["X-Forwarded-Proto: https", "X-Forwarded-Host: evil", Self.browser])
            #expect(hostile.text.contains("KHEADER_URLS=https://127.0.0.1") && !hostile.text.contains("evil"))
        }
    }

    @Test func hostsAndTheirReasonsAreOnThePageOfAKernelWithoutHeaders() async throws {
        try await withRunningServer { server in
            let steps = [CollectStep(.sysfs, .missing), CollectStep(.sourceFolder, .damaged, "12 files are missing")]
            for host in 1...12 {
                let json = TestSightings.json(host: UInt8(host), of: "ab", steps: steps)
                #expect(try await server.post("/v1/kernels/ab/sightings", json).status == 200)
            }
            let html = try await page(server, "/kernels/ab")
            #expect(html.contains("Runs on 12\u{A0}hosts"))
            #expect(html.contains("source-folder: damaged. 12 files are missing"))
            #expect(html.contains("kheader push kheaders.tar.xz --build-id ab"))
            #expect(html.contains("/v1/kernels/ab/hosts"))
            #expect(!html.contains("Compare with another kernel"))
            let coverage = try await page(server, "/coverage")
            #expect(coverage.contains("href=\"/?running=true&amp;pch=false&amp;sort=hosts\">Kernels without"))
            #expect(coverage.contains("sysfs missing, source-folder damaged"))
            #expect(coverage.contains("(12\u{A0}hosts)"))
            let fleet = try await page(server, "/")
            #expect(fleet.contains("Hosts: Headers missing: 100%"))
        }
    }

    @Test(arguments: [
        (UInt8(1), "1\u{A0}host runs 1\u{A0}kernel.", ">runs 1"), (2, "2\u{A0}hosts run 1\u{A0}kernel.", ">run 1"),
    ])
    func oneHostRunsAndTwoRun(_ hosts: UInt8, _ sentence: String, _ note: String) async throws {
        try await withRunningServer { server in
            for host in 1...hosts {
                let json = TestSightings.json(host: host, of: "ab")
                #expect(try await server.post("/v1/kernels/ab/sightings", json).status == 200)
            }
            let coverage = try await page(server, "/coverage")
            #expect(coverage.contains(sentence))
            #expect(try await page(server, "/").contains(note))
        }
    }

    @Test func damageIsOnThePages() async throws {
        let kernel = try StoredKernel(id: 1, revision: 1)
        try await withRunningServer { server in
            try await server.store.put(kernel)
            try await server.store.put(btf: SmallBTF.bytes(), of: kernel.id)
            let json = TestSightings.json(of: "\(kernel.id)")
            #expect(try await server.post("/v1/kernels/\(kernel.id)/sightings", json).status == 200)
            for path in ["/", "/coverage", "/kernels/\(kernel.id)"] {
                #expect(try await !page(server, path).contains("<span class=\"badge poor\">damaged</span>"), "\(path)")
            }
            let state = server.folder.path("store")
            for folder in ["packs", "btf"] {
                let name = try #require(try FolderListing.names(in: "\(state)/\(folder)").first)
                var bytes = try FileSource(path: "\(state)/\(folder)/\(name)").readAll()
                bytes[folder == "packs" ? 40 : bytes.count / 2] ^= 1
                try TemporaryFolder.write(bytes, to: "\(state)/\(folder)/\(name)")
            }
            #expect(try await server.store.verify().found == 2)
            for path in ["/", "/?damaged=true", "/kernels/\(kernel.id)"] {
                #expect(try await page(server, path).contains("<span class=\"badge poor\">damaged</span>"), "\(path)")
            }
            #expect(try await page(server, "/?damaged=false").contains("No kernel is like that."))
            let html = try await page(server, "/kernels/\(kernel.id)")
            #expect(html.contains("Damage on the server") && html.contains(", and its BTF"))
            #expect(html.contains("<li><code>include/linux/sched.h</code></li>"))
            #expect(html.contains("<span class=\"badge poor\">BTF: lost</span>"))
            let coverage = try await page(server, "/coverage")
            #expect(
                coverage.contains("disk: headers, BTF</p>") && !coverage.contains("None: all that hosts run is here."))
        }
    }

    @Test func twoKernelsAreCompared() async throws {
        try await withRunningServer { server in
            try await server.upload(
                TestKernels.tar {
                    $0.addFile("include/gone.h", "1")
                    $0.addFile("include/other.h", "1")
                })
            try await server.upload(
                TestKernels.tar {
                    $0.addFile("include/new.h", "1")
                    $0.addFile("include/other.h", "2")
                }, as: TestKernels.otherID)
            let path = "/kernels/\(TestKernels.id)?compare="
            // As people copy it.
            let html = try await page(server, path + "+" + TestKernels.otherID.uppercased() + "%20")
            for (name, file) in [("Added", "new"), ("Removed", "gone"), ("Changed", "other")] {
                #expect(
                    html.contains(
                        try Regex("<summary>\(name): 1</summary>\\s*<ul class=\"paths\"><li><code>include/\(file).h<")))
            }
            #expect(html.contains("1\u{A0}entry in common"))
            let same = try await page(server, path + TestKernels.id)
            #expect(same.contains("the trees are the same"))
            #expect(try await page(server, path + "zz").contains("This is not a GNU build ID"))
            #expect(try await page(server, path + "ffff").contains("has never seen build ID ffff"))
            #expect(try await server.put("/v1/kernels/ac/btf", SmallBTF.bytes()).status == 201)
            #expect(try await page(server, path + "ac").contains("no headers of ac to compare with"))
        }
    }

    @Test func whatCompilersDoAndSayIsTold() async throws {
        let building = FakeBuilding()
        building.setSmoke(.failed)
        building.hold("net")
        try await PCHServer.with(building: building) { pch in
            _ = try await pch.get("net")
            while let name = await pch.nextBeginning(), name != "net" {}
            _ = try await pch.get("block")
            let fleet = try await page(pch.server, "/")
            #expect(fleet.contains("Running: PCH net for clang-x86") && fleet.contains("1\u{A0}build waiting"))
            let html = try await page(pch.server, "/kernels/\(TestKernels.id)")
            #expect(html.contains("A small program does not compile"))
            #expect(html.contains("<code>error: no</code>"))
            building.release()
            #expect(try await pch.ready(pch.path("net")).status == 200)
            let built = try await page(pch.server, "/kernels/\(TestKernels.id)")
            #expect(built.contains("PCH: here") && built.contains("PCH net for clang-x86"))
        }
    }

    // MARK: Problems

    @Test func aBrowserGetsAPageAndAProgramAProblem() async throws {
        try await withRunningServer { server in
            for path in ["/nowhere", "/v1/kernels/x", "/buildid/ab/headers.tar", "/kernels/ab"] {
                let problem = try #require(try await server.get(path).problem, "\(path)")
                for accept in ["*/*", "application/json", "application/json, text/html;q=0.5", "text/html;q=0"] {
                    #expect(try await server.get(path, "Accept: \(accept)").problem?.code == problem.code)
                }
                let answer = try await server.get(path, Self.browser)
                #expect(answer.status == problem.status)
                #expect(answer["Content-Type"] == "text/html; charset=utf-8")
                #expect(answer.text.contains("<code>\(problem.code.rawValue)</code>"))
                #expect(answer.text.contains("<code>\(try #require(answer["X-Request-ID"]))</code>"))
            }
        }
    }

    // MARK: Tokens

    private static func basic(_ password: String, name: String = "x") -> String {
        "Authorization: Basic \(base64(Array("\(name):\(password)".utf8)))"
    }

    @Test func aBrowserShowsItsTokenAsPassword() async throws {
        try await withTemporaryFolder { folder in
            let file = TokenFile(state: folder.path("store"))
            func token(_ role: TokenRole) throws -> String {
                try file.create(role: role, label: "x", expires: nil, now: 1).secret
            }
            let (client, agent, chief) = (try token(.client), try token(.agent), try token(.operator))
            try await withRunningServer(in: folder) { server in
                let nobody = try await server.get("/", Self.browser)
                #expect(nobody.status == 401)
                #expect(
                    nobody.challenges == [#"Bearer realm="kheaderd""#, #"Basic realm="kheaderd", charset="UTF-8""#])
                #expect(nobody.text.contains("as the password"))
                // Without the field that tells a browser: pages ask nevertheless, the API does not.
                #expect(try await server.get("/coverage").challenges.count == 2)
                #expect(try await server.get("/v1/kernels").challenges.count == 1)
                #expect(try await server.get("/v1/kernels", Self.browser).challenges.count == 2)
                for path in ["/", "/coverage", "/v1/kernels", "/metrics"] {
                    for name in ["", "x"] {
                        #expect(try await server.get(path, Self.basic(client, name: name)).status == 200)
                    }
                    #expect(try await server.get(path, Self.basic(chief)).status == 200)
                    #expect(try await server.get(path, Self.basic(agent)).status == 403)
                    for field in [
                        Self.basic("x"), Self.basic(""), "Authorization: Basic \(client)", "Authorization: Basic !",
                        "Authorization: Basic", "Authorization: Digest \(client)",
                        "Authorization: Basic \(base64(Array(client.utf8)))",
                    ] {
                        #expect(try await server.get(path, field).status == 401, "\(field)")
                    }
                }
                // Another site can make a browser send it, so it changes nothing.
                for (method, path) in [
                    ("PUT", "/v1/kernels/ab/headers"), ("POST", "/v1/kernels/ab/sightings"),
                    ("DELETE", "/v1/kernels/ab"), ("PUT", "/v1/kernels/ab/pin"),
                ] {
                    let answer = try await server.request(method, path, [Self.basic(chief)], body: [])
                    #expect(answer.status == 401, "\(method) \(path)")
                }
                // Whoever is refused sees a page with its style.
                #expect(try await server.get(PageAsset.style.path).status == 200)
            }
        }
    }
}

extension HTTPAnswer {
    fileprivate var challenges: [String] { fields.filter { $0.name == "WWW-Authenticate" }.map(\.value) }
}

/// By hand, against the server's own.
private func base64(_ bytes: [UInt8]) -> String {
    let digits = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
    var text = ""
    for start in stride(from: 0, to: bytes.count, by: 3) {
        let piece = bytes[start..<min(start + 3, bytes.count)]
        let number = piece.reduce(0) { $0 << 8 | Int($1) } << (8 * (3 - piece.count))
        for index in 0..<4 {
            text.append(index > piece.count ? "=" : digits[number >> (18 - 6 * index) & 63])
        }
    }
    return text
}
