import HeaderArchive
import KHeaderTestSupport
import KernelHeaders
import Testing

/// Debian's own `debuginfod-find`, against this server.
@Suite struct DebuginfodFindTests {
    private static let id = "00112233445566778899aabbccddeeff00112233"
    private static let kernel = SmallKernel(hasLargeFile: false)

    /// A server with a kernel's headers and BTF, and what `debuginfod-find` needs to ask it and nobody else.
    private func withServer(
        btf: [UInt8]? = SmallBTF.bytes(), _ body: (RunningServer, DebuginfodFind) async throws -> Void
    ) async throws {
        try await withRunningServer { server in
            #expect(try await server.put("/v1/kernels/\(Self.id)/headers", Self.kernel.tar).status == 201)
            if let btf { #expect(try await server.put("/v1/kernels/\(Self.id)/btf", btf).status == 201) }
            try await withTemporaryFolder { folder in
                try await body(server, DebuginfodFind(url: server.url, cache: folder.path("cache")))
            }
        }
    }

    private struct DebuginfodFind {
        let url: String
        let cache: String

        func callAsFunction(_ arguments: String..., settings: String...) async throws -> ShellCommand.Result {
            let environment = ["DEBUGINFOD_URLS=\(url)", "DEBUGINFOD_CACHE_PATH=\(cache)"] + settings
            return try await run(command: ShellCommand("env", environment + ["debuginfod-find"] + arguments))
        }
    }

    /// What it printed the path of.
    private func contents(_ result: ShellCommand.Result) throws -> [UInt8] {
        try #require(result.status == 0, "\(result.errors)")
        return try FileSource(path: String(result.text.prefix { $0 != "\n" })).readAll()
    }

    /// How often the server was asked, by kind.
    private func requests(_ server: RunningServer) async throws -> [String: Int] {
        var requests: [String: Int] = [:]
        for line in try await server.get("/metrics").text.split(separator: "\n") {
            guard line.hasPrefix("http_requests_total{type=\""), let space = line.lastIndex(of: " ") else { continue }
            let type = line.split(separator: "\"")[1]
            requests[String(type)] = Int(line[line.index(after: space)...])
        }
        return requests
    }

    @Test func theBTFSectionIsTheUpload() async throws {
        let btf = SmallBTF.bytes((0..<40_000).map { "name_\($0)" })
        try await withServer(btf: btf) { server, find in
            let isSame = try contents(await find("section", Self.id, ".BTF")) == btf
            #expect(isSame)
            var sections = try await requests(server)["section"]
            #expect(sections == 1)
            // The second time it has it.
            let isSameAgain = try contents(try await find("section", Self.id, ".BTF")) == btf
            #expect(isSameAgain)
            sections = try await requests(server)["section"]
            #expect(sections == 1)
        }
    }

    @Test(arguments: [
        "/include/linux/sched.h", "/include/linux/../linux/./sched.h", "//include//linux/sched.h",
        "/lib/modules/6.1.0-99-amd64/build/include/linux/sched.h",
    ])
    func aHeaderIsASource(path: String) async throws {
        try await withServer { _, find in
            let found = try contents(try await find("source", Self.id, path))
            #expect(found == Self.kernel.contents("include/linux/sched.h"))
        }
    }

    /// It takes 404 for an answer. After a 503 it would ask for debuginfo and executable, to cut the section out.
    @Test func aSectionThatIsNotThereIsAskedForOnce() async throws {
        try await withServer(btf: nil) { server, find in
            for name in [".BTF", ".text"] {
                let result = try await find("section", Self.id, name)
                #expect(result.status == 1)
                #expect(result.errors.contains("No such file or directory"), "\(result.errors)")
            }
            let requests = try await requests(server)
            #expect(requests["section"] == 2)
            #expect(requests["debuginfo"] == nil)
            #expect(requests["executable"] == nil)
        }
    }

    @Test func whatThisServerHasNotGotIsNotFound() async throws {
        try await withServer { server, find in
            for arguments in [["debuginfo", Self.id], ["executable", Self.id]] {
                let result = try await find(arguments[0], arguments[1])
                #expect(result.status == 1)
                #expect(result.errors.contains("No such file or directory"), "\(result.errors)")
            }
            #expect(try await find("source", Self.id, "/include/none.h").errors.contains("No such file or directory"))
            #expect(try await find("section", "ff00", ".BTF").errors.contains("No such file or directory"))
            let requests = try await requests(server)
            #expect(requests["debuginfo"] == 1)
        }
    }

    @Test func whatIsTooLargeIsRefused() async throws {
        try await withServer { server, find in
            let size = SmallBTF.bytes().count
            let result = try await find("section", Self.id, ".BTF", settings: "DEBUGINFOD_MAXSIZE=\(size - 1)")
            #expect(result.status == 1)
            #expect(result.errors.contains("File too large"), "\(result.errors)")
            // By the server's own word, not by what the client counted.
            let refused = #"http_responses_transfer_bytes_count{code="406",type="section"} 1"#
            #expect(try await server.get("/metrics").text.contains(refused))
            let fits = try await find("section", Self.id, ".BTF", settings: "DEBUGINFOD_MAXSIZE=\(size)")
            let found = try contents(fits)
            #expect(found == SmallBTF.bytes())
        }
    }
}
