import KHeaderTestSupport
import KernelHeaders
import Testing

/// Requests that have no answer: each is refused in the same form, and the server goes on.
@Suite struct RequestErrorTests {
    @Test(arguments: [
        "/x", "/v1", "/v1/", "/v1/kernels/aa/x", "/v1/kernels/aa/headers/x", "/buildid", "/buildid/aa",
        "/buildid/aa/headers.tar.bz2", "/buildid/aa/headers", "/buildid/aa/source", "/buildid/aa/source/", "/trees/aa",
        "/V1/kernels", "/v1/Kernels", "/%2e%2e/etc/passwd", "/../etc/passwd", "*", "/livez/x", "//x", "/%zz",
        "/%CC%81livez",
    ])
    func anUnknownRoute(_ target: String) async throws {
        try await withRunningServer { server in
            try expect(await server.get(target), refusesWith: .routeUnknown)
            try expect(await server.put(target, [1, 2, 3]), refusesWith: .routeUnknown)
        }
    }

    @Test func aMethodThatThePathDoesNotTake() async throws {
        try await withRunningServer { server in
            for (method, target, allowed) in [
                ("POST", "/v1/kernels", "GET, HEAD"), ("POST", "/v1/kernels/aa", "DELETE, GET, HEAD"),
                ("GET", "/v1/kernels/aa/headers", "PUT"), ("HEAD", "/v1/kernels/aa/headers", "PUT"),
                ("POST", "/v1/kernels/aa/headers", "PUT"), ("PUT", "/buildid/aa/headers.tar", "GET, HEAD"),
                ("PATCH", "/buildid/aa/source/include/a/b/c.h", "GET, HEAD"), ("OPTIONS", "/livez", "GET, HEAD"),
                ("TRACE", "/trees/x/manifest.json", "GET, HEAD"), ("DELETE", "/v1/store", "GET, HEAD"),
            ] {
                let answer = try await server.request(method, target, body: method == "PUT" ? [1] : nil)
                #expect(answer.status == 405)
                #expect(answer["Allow"] == allowed)
                if method != "HEAD" { try expect(answer, refusesWith: .methodNotAllowed) }
            }
        }
    }

    @Test func aKernelThatNobodyPushed() async throws {
        try await withRunningServer { server in
            let paths =
                BundleFormat.allCases.map { "/buildid/\(TestKernels.id)/headers.\($0.rawValue)" } + [
                    "/buildid/\(TestKernels.id)/manifest.json", "/buildid/\(TestKernels.id)/source/include/linux/mm.h",
                    "/v1/kernels/\(TestKernels.id)",
                ]
            for path in paths {
                let answer = try await server.get(path)
                try expect(answer, refusesWith: .kernelUnknown)
                #expect(answer.text.contains("kheader push"))
            }
        }
    }

    @Test func aTreeThatIsUnknownOrNone() async throws {
        try await withRunningServer { server in
            try await server.upload(TestKernels.tar())
            let digest = String(repeating: "0a", count: 32)
            for name in BundleFormat.allCases.map({ "headers.\($0.rawValue)" }) + [
                "manifest.json", "source/include/a.h",
            ] {
                try expect(await server.get("/trees/\(digest)/\(name)"), refusesWith: .treeUnknown)
                for malformed in [String(digest.dropLast()), digest + "0", digest.uppercased(), "x", TestKernels.id] {
                    try expect(await server.get("/trees/\(malformed)/\(name)"), refusesWith: .digestMalformed)
                }
            }
            #expect(server.folder.names(in: "store/staging").isEmpty)
        }
    }

    @Test func headIsRefusedWithoutABody() async throws {
        try await withRunningServer { server in
            for target in ["/x", "/buildid/XX/headers.tar", "/buildid/aa/headers.tar", "/v1/kernels?limit=0"] {
                let connection = try server.connect()
                await connection.send(
                    "HEAD \(target) HTTP/1.1\r\nHost: x\r\n\r\nGET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
                let head = try await connection.answer(toHead: true)
                let whole = try await server.get(target)
                #expect(head.status == whole.status)
                #expect(head.lastingFields == whole.lastingFields)
                #expect(try await connection.answer().text == "ok\n")
                connection.close()
            }
        }
    }

    @Test func requestsHaveIDsOfTheirOwn() async throws {
        try await withRunningServer { server in
            let answers = try await ["/livez", "/x", "/livez", "/v1/kernels", "/x"].asyncMap {
                try await server.get($0)
            }
            #expect(Set(answers.map { $0["X-Request-ID"] }).count == 5)
            #expect(answers.allSatisfy { $0["X-Request-ID"] != nil })
        }
    }

    /// Bytes that are no HTTP, and what the server must survive.
    @Test func whatIsNoHTTP() async throws {
        try await withRunningServer { server in
            let lines = [
                "NONSENSE\r\n\r\n", "GET\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "GET / FTP/1.1\r\n\r\n",
                "FOO / HTTP/1.1\r\n\r\n", "GET /\u{1} HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\nNo colon\r\n\r\n",
                "GET / HTTP/1.1\r\nX: \(String(repeating: "x", count: 100_000))\r\n\r\n",
                "PUT /x HTTP/1.1\r\nContent-Length: x\r\n\r\n", "PUT /x HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
                "PUT /x HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
                "PUT /x HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
                "\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\u{1}", "GET /é HTTP/1.1\r\n\r\n",
            ]
            for line in lines {
                let connection = try server.connect()
                await connection.send(line)
                let answer = try await connection.answer()
                #expect(answer.status == 400, "\(line.prefix(60))")
                #expect(answer["Connection"] == "close")
                let problem = try #require(try answer.problem)
                #expect(problem.code == .requestMalformed)
                if answer.status == 400 { #expect(try await connection.rest().isEmpty) }
                connection.close()
            }
            #expect(try await server.get("/readyz").text == "ok\n")
        }
    }

    /// Targets on which a careless parser would trip.
    @Test func oddTargets() async throws {
        try await withRunningServer { server in
            for target in [
                "http://x", "http://[", "http://x:99999/livez", "http://", "http:///", "://", "x://y:z/?", "?", "#",
                "/?&=&&==", "/?%",
                "/livez?%zz=%zz", "/livez;x", "/%ff%fe", "/v1/kernels?cursor=%ff%fe.%ff", "/v1/kernels?limit",
                "/" + String(repeating: "x/", count: 5000), "/v1/kernels?" + String(repeating: "a=b&", count: 5000),
                "/buildid/%00/headers.tar", "/buildid/%CC%81/headers.tar",
            ] {
                let connection = try server.connect()
                await connection.send("GET \(target) HTTP/1.1\r\nHost: x\r\n\r\n")
                let answer = try await connection.answer()
                #expect((200..<500).contains(answer.status), "\(target.prefix(60))")
                connection.close()
            }
            #expect(try await server.get("/livez").status == 200)
        }
    }

    @Test func aliveAndReady() async throws {
        try await withRunningServer { server in
            for path in ["/livez", "/readyz"] {
                let answer = try await server.get(path)
                #expect(answer.status == 200)
                #expect(answer.text == "ok\n")
                #expect(answer["Content-Type"] == "text/plain; charset=utf-8")
                #expect(answer["Cache-Control"] == "no-store")
            }
        }
    }

    @Test func oneConnectionTakesManyRequests() async throws {
        try await withRunningServer { server in
            try await server.upload(TestKernels.tar())
            let connection = try server.connect()
            for _ in 0..<3 {
                for (target, status) in [("/livez", 200), ("/x", 404), ("/buildid/\(TestKernels.id)/headers.tar", 200)]
                {
                    await connection.send("GET \(target) HTTP/1.1\r\nHost: x\r\n\r\n")
                    #expect(try await connection.answer().status == status)
                }
            }
            connection.close()
        }
    }
}
