import FoundationEssentials
import Glibc
import KHeaderTestSupport
import KernelHeaders
import Synchronization
import Testing
import TracingClient

@testable import HeaderTransport

/// Where a token comes from, whom it is shown to, and that nothing else tells it.
@Suite struct AccessTokenTests {
    private static let secret = "khd_client_0123456789abcdef"

    private static func find(
        file: String? = nil, _ environment: [String: String] = [:]
    ) throws -> (secret: String?, notices: [String]) {
        var notices: [String] = []
        let token = try AccessToken.find(file: file, environment: { environment[$0] }) { notices.append($0) }
        return (token?.secret, notices)
    }

    // MARK: Where it comes from

    @Test func theOptionComesBeforeTheFileOfTheVariableAndThatBeforeTheTokenOfTheVariable() throws {
        try withTemporaryFolder { folder in
            let option = try folder.write("option\n".utf8, to: "option", mode: 0o600)
            let variable = try folder.write(" \tvariable\r\n\n".utf8, to: "variable", mode: 0o600)
            let both = [AccessToken.fileVariable: variable, AccessToken.variable: "itself"]
            #expect(try Self.find(file: option, both).secret == "option")
            #expect(try Self.find(both).secret == "variable")
            #expect(try Self.find([AccessToken.variable: "itself\n", AccessToken.fileVariable: ""]).secret == "itself")
            #expect(try Self.find([AccessToken.variable: ""]).secret == nil)
            #expect(try Self.find().secret == nil)
        }
    }

    @Test func aFileThatOthersCanReadIsNoticed() throws {
        try withTemporaryFolder { folder in
            for (mode, isNoticed) in [(0o600, false), (0o440, false), (0o604, true), (0o644, true)] as [(mode_t, Bool)]
            {
                let file = try folder.write(Self.secret.utf8, to: "token-\(mode)", mode: mode)
                let found = try Self.find(file: file)
                #expect(found.secret == Self.secret)
                #expect(found.notices.count == (isNoticed ? 1 : 0))
                #expect(found.notices.allSatisfy { $0.contains("chmod o-r \(file)") && !$0.contains(Self.secret) })
            }
        }
    }

    @Test(arguments: [
        "", " \n", "two words", "two\nlines", "a\u{0}b", "a\r\nX-Other: b", "umlaut-ä", "quote\"", "tab\tinside",
        String(repeating: "x", count: AccessToken.maximumBytes + 1),
    ])
    func whatIsNoTokenIsRefusedWithoutBeingShown(_ text: String) throws {
        try withTemporaryFolder { folder in
            let file = try folder.write(text.utf8, to: "token", mode: 0o600)
            #expect { try Self.find(file: file) } throws: { error in
                let problem = error as? Problem
                return problem?.code == .parameterMalformed && problem?.detail.contains(file) == true
                    && !"\(error)".contains("X-Other")
            }
        }
    }

    @Test func theLongestTokenIsTaken() throws {
        try withTemporaryFolder { folder in
            let longest = String(repeating: "x", count: AccessToken.maximumBytes)
            let file = try folder.write(longest.utf8, to: "token", mode: 0o600)
            #expect(try Self.find(file: file).secret == longest)
        }
    }

    @Test(arguments: ["/no/such/file", "/"])
    func aFileThatCantBeReadIsRefused(_ path: String) {
        #expect { try Self.find(file: path) } throws: { error in
            (error as? Problem)?.code == .parameterMalformed && "\(error)".contains("\(path) can't be read")
        }
    }

    // MARK: Whom it is shown to

    /// Every way in which a program may print a value.
    @Test func nothingThatDescribesItTellsIt() throws {
        let token = try AccessToken(Self.secret, from: "here")
        let client = HeaderServerClient(servers: [try ServerAddress("unix:/x")], token: token)
        var request = CurlRequest(path: "/")
        request.token = token
        var texts = ["\(token)", String(reflecting: token), "\([token])", "\(client)", "\(request)"]
        for value in [token, client, request] as [Any] {
            var text = ""
            dump(value, to: &text)
            texts.append(text)
        }
        for text in texts { #expect(!text.contains(Self.secret), "\(text)") }
    }

    private func heads(
        _ answers: [String], token: String? = secret, _ ask: (HeaderServerClient) async throws -> Void
    ) async throws -> [String] {
        try await withTemporaryFolder { folder in
            let server = try ScriptedServer(in: folder, answers.map { Array($0.utf8) })
            defer { server.stop() }
            let client = HeaderServerClient(
                servers: [server.address], token: try token.map { try AccessToken($0, from: "here") })
            try await ask(client)
            return server.seen.map(\.head)
        }
    }

    private static let line = "\r\nAuthorization: Bearer \(secret)\r\n"
    private static let page = String.response(200, #"{"kernels":[]}"#)

    @Test func itIsSentWithQuestionsAndUploads() async throws {
        let heads = try await heads([Self.page, .response(201, #"{"buildID":"ab","bytes":1,"storedBytes":1}"#)]) {
            client in
            _ = try await client.kernels()
            try await withTemporaryFolder { folder in
                let file = try UploadFile(path: folder.write([1], to: "btf"), cancellation: Cancellation())
                _ = try? await client.pushBTF(file, of: try #require(BuildID(bytes: [0xAB, 0xCD])))
            }
        }
        try #require(heads.count == 2)
        #expect(heads.allSatisfy { $0.contains(Self.line) })
    }

    @Test func whoHasNoneSendsNone() async throws {
        let heads = try await heads([Self.page], token: nil) { _ = try await $0.kernels() }
        try #require(heads.count == 1)
        #expect(!heads[0].contains("Authorization"))
    }

    /// The socket stands for every host that is redirected to.
    @Test(arguments: [
        ("/elsewhere", true), ("http://localhost/elsewhere", true), ("http://localhost:8081/elsewhere", false),
        ("http://another.example/elsewhere", false),
    ])
    func aRedirectToAnotherServerDoesNotCarryIt(_ target: String, isCarried: Bool) async throws {
        let heads = try await heads([.response(302, fields: "Location: \(target)\r\n"), Self.page]) {
            _ = try await $0.kernels()
        }
        try #require(heads.count == 2)
        #expect(heads[0].contains(Self.line))
        #expect(heads[1].contains(Self.line) == isCarried)
        #expect(heads[1].contains(Self.secret) == isCarried)
    }

    @Test(arguments: [
        ("http://example.com", true), ("http://10.0.0.1:8003", true), ("HTTPS://example.com", false),
        ("https://example.com", false), ("http://127.0.0.1:8003", false), ("http://[::1]", false),
        ("http://localhost", false), ("unix:/socket", false),
    ])
    func whoCanReadItOnTheWayIsNoticedOnce(_ server: String, isNoticed: Bool) throws {
        let notices = Mutex<[String]>([])
        let token = try AccessToken(Self.secret, from: "here")
        for token in [token, nil] {
            _ = HeaderServerClient(servers: [try ServerAddress("unix:/x"), try ServerAddress(server)], token: token) {
                notice in notices.withLock { $0.append(notice) }
            }
        }
        let seen = notices.withLock { $0 }
        #expect(seen.count == (isNoticed ? 1 : 0))
        #expect(seen.allSatisfy { $0.contains(server) && !$0.contains(Self.secret) })
    }
}
