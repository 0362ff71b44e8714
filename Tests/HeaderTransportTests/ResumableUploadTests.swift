import FoundationEssentials
import Glibc
import HeaderArchive
import HeaderServer
import HeaderStore
import KHeaderTestSupport
import KernelHeaders
import OperatorDocuments
import Synchronization
import Testing

@testable import HeaderTransport

/// Uploads over connections that break, to the real server.
@Suite(.timeLimit(.minutes(5))) struct ResumableUploadTests {
    private static let kernel = SmallKernel(hasLargeFile: false)
    private static let tar = kernel.tar

    private final class Notes: Sendable {
        private let all = Mutex<(pauses: [Duration], done: [Int])>(([], []))
        var pauses: [Duration] { all.withLock { $0.pauses } }
        var done: [Int] { all.withLock { $0.done } }
        func add(_ pause: Duration) { all.withLock { $0.pauses.append(pause) } }
        func add(_ done: Int, _ total: Int?) { all.withLock { $0.done.append(done) } }
    }

    private static func client(_ servers: [ServerAddress], _ notes: Notes = Notes()) -> HeaderServerClient {
        var client = HeaderServerClient(servers: servers)
        client.resumableSize = 1
        client.pause = { notes.add($0) }
        return client
    }

    private static func id(_ number: Int) throws -> BuildID {
        try #require(BuildID(bytes: [7, UInt8(truncatingIfNeeded: number >> 8), UInt8(truncatingIfNeeded: number)]))
    }

    /// - Returns: whether the tree was new.
    @discardableResult
    private static func push(
        _ client: HeaderServerClient, _ number: Int, in folder: TemporaryFolder, progress: TransferProgress? = nil
    ) async throws -> Bool {
        let file = try UploadFile(path: folder.write(tar, to: "archive-\(number)"), cancellation: Cancellation())
        let answer = try await client.push(
            file, as: KernelIdentity(buildID: try id(number)), source: .agent, progress: progress)
        #expect(try answer.receipt.treeDigest == kernel.manifest.digest)
        return answer.isNew
    }

    /// Where the heads of a connection's requests begin and end.
    private static func heads(_ sent: [UInt8]) -> [(text: String, end: Int)] {
        var heads: [(String, Int)] = []
        var place = 0
        while place < sent.count {
            let rest = sent[place...]
            guard let end = rest.indices.first(where: { sent[$0...].starts(with: [13, 10, 13, 10]) }) else { break }
            let text = String(decoding: sent[place..<end], as: UTF8.self)
            let length = text.split(separator: "\r\n").first { $0.hasPrefix("Content-Length: ") }
                .flatMap { Int($0.dropFirst(16)) }
            heads.append((text, end + 4))
            place = end + 4 + (length ?? 0)
        }
        return heads
    }

    @Test func anUploadIsBegunAndSentOverOneConnection() async throws {
        let notes = Notes()
        try await withRunningServer { server in
            let proxy = try CuttingProxy(to: server.port)
            defer { proxy.stop() }
            let client = Self.client([try ServerAddress(proxy.url)], notes)
            let isNew = try await Self.push(client, 1, in: server.folder, progress: notes.add)
            #expect(isNew)
            #expect(proxy.connections.count == 1)
            let heads = Self.heads(try #require(proxy.connections.first).sent)
            #expect(heads.map { $0.text.prefix { $0 != " " } } == ["PUT", "PATCH"])
            #expect(!heads[1].text.contains("Expect"))
            let isNewAgain = try await Self.push(client, 1, in: server.folder)
            #expect(!isNewAgain)
        }
        #expect(notes.done == notes.done.sorted() && notes.done.last == Self.tar.count)
        #expect(notes.pauses.isEmpty)
    }

    /// Below that, what is sent again costs less than another round trip.
    @Test func aSmallUploadIsOneRequest() async throws {
        try await withRunningServer { server in
            let proxy = try CuttingProxy(to: server.port)
            defer { proxy.stop() }
            var client = Self.client([try ServerAddress(proxy.url)])
            client.resumableSize = Self.tar.count + 1
            try await Self.push(client, 1, in: server.folder)
            let heads = Self.heads(try #require(proxy.connections.first).sent)
            #expect(heads.map { $0.text.prefix { $0 != " " } } == ["PUT"])
            #expect(HeaderServerClient(servers: client.servers).resumableSize == 1 << 20)
        }
    }

    /// Cuts the first connection at every interesting place.
    @Test func aConnectionThatBreaksAnywhereIsGoneOnFromThere() async throws {
        try await withRunningServer { server in
            let whole = try CuttingProxy(to: server.port)
            defer { whole.stop() }
            // The tree is known from the second one on, and their answers are of the same length.
            for number in [200, 201] {
                try await Self.push(Self.client([try ServerAddress(whole.url)]), number, in: server.folder)
            }
            let connection = try #require(whole.connections.last)
            let heads = Self.heads(connection.sent)
            let (creation, start) = (heads[0].end, heads[1].end)
            let sentPlaces = [
                1, creation / 2, creation, creation + 1, (creation + start) / 2, start, start + 1,
                start + Self.tar.count / 2, start + Self.tar.count - 1, start + Self.tar.count,
            ]
            let received = connection.received.count
            let answerStart = Self.heads(connection.received)[0].end
            let receivedPlaces = [1, answerStart / 2, answerStart - 1, answerStart + 1, received - 1]
            let cuts =
                sentPlaces.map { CuttingProxy.Cut.afterSending($0) }
                + receivedPlaces.map { CuttingProxy.Cut.afterReceiving($0) }
                + [start, start + Self.tar.count / 2].map { CuttingProxy.Cut.halfDeadAfterSending($0) }
            for (number, cut) in cuts.enumerated() {
                let proxy = try CuttingProxy(to: server.port, cuts: [cut])
                defer { proxy.stop() }
                let notes = Notes()
                let client = Self.client([try ServerAddress(proxy.url)], notes)
                try await Self.push(client, number + 1, in: server.folder, progress: notes.add)
                #expect(notes.done.last ?? 0 == Self.tar.count, "\(cut)")
                try await Self.expectNothingSentTwice(proxy, cut, start: start)
                let summary = try await server.store.kernel(try Self.id(number + 1))
                #expect(try summary.treeDigest == Self.kernel.manifest.digest)
            }
        }
    }

    private static func expectNothingSentTwice(
        _ proxy: CuttingProxy, _ cut: CuttingProxy.Cut, start: Int
    ) async throws {
        let connections = proxy.connections
        #expect((2...3) ~= connections.count, "\(cut)")
        let last = try #require(connections.last)
        guard let patch = heads(last.sent).last(where: { $0.text.hasPrefix("PATCH") }) else { return }
        let offset = patch.text.split(separator: "\r\n").first { $0.hasPrefix("Upload-Offset: ") }
            .flatMap { Int($0.dropFirst(15)) }
        let before = max(0, (connections.first?.sent.count ?? 0) - start)
        switch cut {
        // All that came through is kept: not one byte is sent a second time.
        case .afterSending: #expect(offset == before, "\(cut)")
        case .afterReceiving, .halfDeadAfterSending, .never: #expect((0...before) ~= offset ?? -1, "\(cut)")
        }
        #expect(last.sent.count - patch.end == tar.count - (offset ?? 0), "\(cut)")
    }

    /// Every connection breaks, and each brings some of it.
    @Test func aNetworkThatBreaksAgainAndAgainGetsThere() async throws {
        try await withRunningServer { server in
            let piece = Self.tar.count / 12
            let cuts = [CuttingProxy.Cut](repeating: .afterSending(2000 + piece), count: 40)
            let proxy = try CuttingProxy(to: server.port, cuts: cuts)
            defer { proxy.stop() }
            let isNew = try await Self.push(Self.client([try ServerAddress(proxy.url)]), 1, in: server.folder)
            #expect(isNew)
            #expect(proxy.connections.count > 1 + RetryPolicy.retries)
            // Heads, and the bytes once.
            let sent = proxy.connections.reduce(0) { $0 + $1.sent.count }
            #expect(sent < Self.tar.count + 2000 * proxy.connections.count)
        }
    }

    @Test func aNetworkThatBringsNothingIsGivenUp() async throws {
        try await withRunningServer { server in
            let probe = try CuttingProxy(to: server.port)
            defer { probe.stop() }
            try await Self.push(Self.client([try ServerAddress(probe.url)]), 0, in: server.folder)
            let heads = Self.heads(try #require(probe.connections.first).sent)
            // The beginning comes through, and then nothing.
            let cuts: [CuttingProxy.Cut] =
                [.afterSending(heads[0].end + 5)] + [CuttingProxy.Cut](repeating: .afterSending(5), count: 20)
            let proxy = try CuttingProxy(to: server.port, cuts: cuts)
            defer { proxy.stop() }
            let notes = Notes()
            let client = Self.client([try ServerAddress(proxy.url)], notes)
            await #expect {
                try await Self.push(client, 1, in: server.folder)
            } throws: {
                ExitStatus($0) == .unreachable || $0 is TransportError
            }
            #expect(notes.pauses.count == RetryPolicy.retries)
        }
    }

    /// A retry must not leave a server in the middle of an upload, though there are others.
    @Test func aBrokenUploadGoesOnAtTheSameServer() async throws {
        try await withRunningServer { server in
            try await withRunningServer { other in
                let proxy = try CuttingProxy(to: server.port, cuts: [.afterSending(1500 + Self.tar.count / 2)])
                defer { proxy.stop() }
                let idle = try CuttingProxy(to: other.port)
                defer { idle.stop() }
                let client = Self.client([try ServerAddress(proxy.url), try ServerAddress(idle.url)])
                let isNew = try await Self.push(client, 1, in: server.folder)
                #expect(isNew)
                // curl makes a connection to send the part once more, and is told that it must not.
                let requests = proxy.connections.map { Self.heads($0.sent).map { $0.text.prefix { $0 != " " } } }
                    .filter { !$0.isEmpty }
                #expect(requests == [["PUT", "PATCH"], ["HEAD", "PATCH"]])
                #expect(idle.connections.isEmpty)
            }
        }
    }

    @Test func aServerThatIsAwayLeavesItToTheNext() async throws {
        try await withRunningServer { server in
            let client = Self.client([
                try ServerAddress("unix:/no/such/socket"), try ServerAddress(server.url),
            ])
            let isNew = try await Self.push(client, 1, in: server.folder)
            #expect(isNew)
        }
    }

    /// The server that has half of it is killed; the one that follows knows nothing of it.
    @Test func anUploadIsBegunAnewWhenTheServerWasKilled() async throws {
        try await withTemporaryFolder { folder in
            let first = try ServerProcess(state: folder.path("store"))
            let proxy = try CuttingProxy(
                to: try await first.port(), cuts: [.halfDeadAfterSending(1500 + Self.tar.count / 2)])
            defer { proxy.stop() }
            let second = Mutex<ServerProcess?>(nil)
            var client = Self.client([try ServerAddress(proxy.url)])
            client.pause = { _ in
                guard second.withLock({ $0 == nil }) else { return }
                await first.kill()
                let process = try ServerProcess(state: folder.path("store"))
                proxy.redirect(to: try await process.port())
                second.withLock { $0 = process }
            }
            let isNew = try await Self.push(client, 1, in: folder)
            #expect(isNew)
            // The server may be trying to compile with what it took in.
            let staged = folder.names(in: "store/staging").filter { !$0.hasSuffix("-tree") && !$0.hasSuffix("-smoke") }
            #expect(staged.isEmpty)
            let requests = proxy.connections.flatMap { Self.heads($0.sent) }.map { $0.text.prefix { $0 != " " } }
            #expect(requests == ["PUT", "PATCH", "HEAD", "PUT", "PATCH"])
            await second.withLock { $0 }?.kill()
        }
    }

    @Test(arguments: ["[::1]", "unix"]) func otherKindsOfAddresses(kind: String) async throws {
        try await withTemporaryFolder { folder in
            let path = folder.path("socket")
            let address = kind == "unix" ? ListenAddress.unix(path: path) : .tcp(host: "::1", port: 0)
            try await withRunningServer(address: address) { server in
                let url = kind == "unix" ? "unix:\(path)" : "http://[::1]:\(server.port)"
                let isNew = try await Self.push(Self.client([try ServerAddress(url)]), 1, in: folder)
                #expect(isNew)
            }
        }
    }

    // MARK: Servers of a few lines

    private func withScript(
        _ answers: String..., body: (HeaderServerClient, ScriptedServer, Notes, TemporaryFolder) async throws -> Void
    ) async throws {
        try await withTemporaryFolder { folder in
            let server = try ScriptedServer(in: folder, answers.map { Array($0.utf8) })
            defer { server.stop() }
            let notes = Notes()
            try await body(Self.client([server.address], notes), server, notes, folder)
        }
    }

    private static func begun(_ location: String = "/v1/uploads/abc-1") -> String {
        .response(201, fields: "Location: \(location)\r\nUpload-Offset: 0\r\n")
    }

    private static func stands(at offset: String) -> String {
        "HTTP/1.1 204 X\r\nConnection: close\r\nUpload-Offset: \(offset)\r\nUpload-Complete: ?0\r\n\r\n"
    }

    private static func stored() throws -> String {
        let receipt = IngestReceipt(
            buildID: try id(1), treeDigest: try kernel.manifest.digest, files: 1, bytes: 2, newBlobs: 3, newBytes: 4,
            storedBytes: 5)
        return .response(201, String(decoding: try JSONEncoder().encode(receipt), as: UTF8.self))
    }

    private static func no(_ status: Int, _ code: String, _ fields: String = "") -> String {
        .response(status, #"{"code":"\#(code)","detail":"No."}"#, type: Problem.mediaType, fields: fields)
    }

    private static func methods(_ server: ScriptedServer) -> [String] {
        server.seen.map { String($0.head.prefix { $0 != " " }) }
    }

    /// kheaderd before that looks at the empty body; others say nothing of where it goes on.
    @Test(arguments: [
        no(422, "archive-empty"), no(422, "btf-malformed"), no(415, "archive-format-unknown"), .response(411),
        .response(201), .response(200), begun("/elsewhere"), begun("/v1/uploads/a%2F..%2Fb"), begun("/v1/uploads/"),
    ]) func aServerThatKnowsNothingOfItGetsTheWhole(first: String) async throws {
        try await withScript(first, try Self.stored()) { client, server, notes, folder in
            let isNew = try await Self.push(client, 1, in: folder)
            #expect(isNew)
            #expect(Self.methods(server) == ["PUT", "PUT"])
            #expect(server.seen.map(\.body) == [[], Self.tar])
            #expect(server.seen[0].head.contains("Upload-Complete: ?0\r\n"))
            #expect(!server.seen[0].head.lowercased().contains("content-digest"))
            #expect(server.seen[1].head.contains("Content-Digest: "))
            #expect(notes.pauses.isEmpty)
        }
    }

    /// Whatever host and prefix stand there: this program goes to the server that it was told.
    @Test(arguments: ["http://evil.example/v1/uploads/abc-1", "/prefix/v1/uploads/abc-1", "v1/uploads/abc-1"])
    func onlyTheTokenOfALocationCounts(location: String) async throws {
        try await withScript(Self.begun(location), try Self.stored()) { client, server, _, folder in
            let isNew = try await Self.push(client, 1, in: folder)
            #expect(isNew)
            #expect(server.seen[1].head.hasPrefix("PATCH /v1/uploads/abc-1 HTTP/1.1\r\n"))
            #expect(server.seen[1].head.contains("\r\nContent-Type: application/partial-upload\r\n"))
        }
    }

    @Test(arguments: [no(409, "claim-stale"), no(413, "upload-too-large"), no(403, "role-insufficient")])
    func aRefusalAtTheBeginningIsTheLastWord(refusal: String) async throws {
        try await withScript(refusal, try Self.stored()) { client, server, _, folder in
            await #expect(throws: ServerRefusal.self) { try await Self.push(client, 1, in: folder) }
            #expect(server.seen.count == 1 && server.seen[0].body.isEmpty)
        }
    }

    @Test(arguments: [409, 422, 413, 507]) func aRefusalOfTheWholeIsTheLastWord(status: Int) async throws {
        try await withScript(Self.begun(), Self.no(status, "tree-conflict")) { client, server, _, folder in
            await #expect(throws: ServerRefusal.self) { try await Self.push(client, 1, in: folder) }
            #expect(server.seen.count == 2)
        }
    }

    @Test func aBusyServerIsWaitedForAsLongAsItSays() async throws {
        let busy = "Retry-After: 3\r\n"
        try await withScript(
            Self.no(429, "too-many-uploads", busy), Self.no(507, "disk-full", busy), Self.begun(),
            .response(503, fields: busy), Self.stands(at: "100"), try Self.stored()
        ) { client, server, notes, folder in
            let isNew = try await Self.push(client, 1, in: folder)
            #expect(isNew)
            #expect(Self.methods(server) == ["PUT", "PUT", "PUT", "PATCH", "HEAD", "PATCH"])
            #expect(server.seen[5].body == Array(Self.tar[100...]))
            #expect(notes.pauses.count == 3 && notes.pauses.allSatisfy { $0 >= .seconds(3) })
        }
        try await withScript(Self.no(429, "too-many-uploads", "Retry-After: 61\r\n")) { client, server, _, folder in
            await #expect(throws: ServerRefusal.self) { try await Self.push(client, 1, in: folder) }
            #expect(server.seen.count == 1)
        }
    }

    @Test func whatTheServerSaysOfTheOffsetCounts() async throws {
        try await withScript(
            Self.begun(), Self.no(409, "upload-offset-mismatch"), Self.stands(at: "\(Self.tar.count)"),
            try Self.stored()
        ) { client, server, _, folder in
            let isNew = try await Self.push(client, 1, in: folder)
            #expect(isNew)
            #expect(server.seen.last?.body == [])
        }
    }

    @Test(arguments: ["-1", "x", "99999999", ""]) func anOffsetThatCannotBeIsNoAnswer(offset: String) async throws {
        try await withScript(Self.begun(), .response(500), Self.stands(at: offset)) { client, server, _, folder in
            await #expect {
                try await Self.push(client, 1, in: folder)
            } throws: {
                if case TransportError.badAnswer = $0 { true } else { false }
            }
            #expect(server.seen.count == 3)
        }
    }

    /// As behind a proxy that takes turns between servers, or one that damages what passes.
    @Test func anUploadThatIsLostEachTimeIsGivenUp() async throws {
        for loss in [Self.no(404, "upload-unknown"), Self.no(400, "content-digest-mismatch")] {
            try await withScript(
                Self.begun(), loss, Self.begun(), loss, Self.begun(), loss, Self.begun(), try Self.stored()
            ) { client, server, _, folder in
                await #expect(throws: ServerRefusal.self) { try await Self.push(client, 1, in: folder) }
                #expect(Self.methods(server) == ["PUT", "PATCH", "PUT", "PATCH", "PUT", "PATCH"])
            }
        }
    }

    @Test func aServerThatTakesAPartEachTimeIsNotAskedForEver() async throws {
        let part = "HTTP/1.1 204 X\r\nConnection: close\r\nUpload-Complete: ?0\r\n\r\n"
        let stands = Self.stands(at: "10")
        try await withScript(
            Self.begun(), part, stands, part, stands, part, stands, part, stands, part, stands, part, stands
        ) { client, server, _, folder in
            await #expect(throws: TransportError.self) { try await Self.push(client, 1, in: folder) }
            #expect(server.seen.count < 13)
        }
    }

    @Test func anUploadThatIsCancelledEndsThoughTheServerIsSilent() async throws {
        try await withTemporaryFolder { folder in
            let (requests, request) = AsyncStream.makeStream(of: Void.self)
            let seen = Mutex(0)
            // It answers the beginning, and then nothing.
            let server = try ScriptedServer(in: folder, [Array(Self.begun().utf8)]) {
                let number = seen.withLock { seen in
                    seen += 1
                    return seen
                }
                if number == 2 { request.yield() }
                return number == 1
            }
            defer { server.stop() }
            let call = Task { try await Self.push(Self.client([server.address]), 1, in: folder) }
            for await _ in requests { break }
            call.cancel()
            await #expect(throws: CancellationError.self) { try await call.value }
        }
    }
}

/// `kheaderd` in a process of its own, which can be killed.
private final class ServerProcess: Sendable {
    private let process: pid_t
    private let output: CInt

    init(state: String) throws {
        var ends: [CInt] = [0, 0]
        try SystemCallError.check("socketpair", nil) {
            socketpair(AF_UNIX, CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0, &ends)
        }
        output = ends[0]
        defer { close(ends[1]) }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO)
        let words = [BuiltProgram.path("kheaderd"), "serve", "--state", state, "--listen", "127.0.0.1:0"]
        let copies = words.map { strdup($0) }
        defer { for copy in copies { free(copy) } }
        var process: pid_t = 0
        let status = posix_spawn(&process, words[0], &actions, nil, copies + [nil], environ)
        guard status == 0 else { throw SystemCallError(call: "posix_spawn", path: words[0], number: status) }
        self.process = process
    }

    deinit { close(output) }

    func port() async throws -> Int {
        let output = output
        return try await BlockingWork.run { _ in
            var line: [UInt8] = []
            var byte: UInt8 = 0
            while read(output, &byte, 1) == 1, byte != 10 { line.append(byte) }
            let text = String(decoding: line, as: UTF8.self)
            return try #require(text.split(separator: ":").last.flatMap { Int($0) }, "\(text)")
        }
    }

    func kill() async {
        let process = process
        _ = try? await BlockingWork.run { _ in
            Glibc.kill(process, SIGKILL)
            var status: CInt = 0
            waitpid(process, &status, 0)
        }
    }
}
