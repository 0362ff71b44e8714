import KHeaderTestSupport
import KernelHeaders
import Testing

/// What debuginfod's clients send and expect, but for sections (`BTFTests`) and the client itself (`DebuginfodFindTests`).
@Suite struct DebuginfodTests {
    private static let id = TestKernels.id

    @Test func everyFileSaysItsSizeAndName() async throws {
        try await withRunningServer { server in
            let digest = try await server.upload().treeDigest
            for (path, name) in BundleFormat.allCases.map({ ("headers.\($0.rawValue)", "headers.\($0.rawValue)") }) + [
                ("manifest.json", "manifest.json"), ("source/include/linux/sched.h", "sched.h"),
            ] {
                for base in ["/buildid/\(Self.id)", "/trees/\(digest)"] {
                    let whole = try await server.get("\(base)/\(path)")
                    let part = try await server.get("\(base)/\(path)", "Range: bytes=0-3")
                    for answer in [whole, part, try await server.head("\(base)/\(path)")] {
                        #expect(answer["X-DEBUGINFOD-SIZE"] == "\(whole.body.count)")
                        #expect(answer["X-DEBUGINFOD-FILE"] == name)
                    }
                }
            }
        }
    }

    /// A name may have what no field may: it must not end the line.
    @Test func aNameCanNotAddFields() async throws {
        let name = "x\r\nSet-Cookie: a=b\r\n\r\n.h"
        let tar = TestKernels.tar { $0.addFile("include/\(name)", "1") }
        try await withRunningServer { server in
            try await server.upload(tar)
            let path = try #require(HeaderPath("include/\(name)"))
            let answer = try await server.get(APIPath.source(try #require(BuildID(Self.id)), path))
            #expect(answer.status == 200)
            #expect(answer.body == Array("1".utf8))
            #expect(answer["Set-Cookie"] == nil)
        }
    }

    @Test func whatIsLargerThanTheClientTakesIsRefused() async throws {
        try await withRunningServer { server in
            try await server.upload()
            for path in ["headers.tar.gz", "manifest.json", "source/include/linux/sched.h"] {
                let target = "/buildid/\(Self.id)/\(path)"
                let whole = try await server.get(target)
                let size = whole.body.count
                for field in ["\(size)", "\(size + 1)", "0", "-1", "x", "", "99999999999999999999"] {
                    let answer = try await server.get(target, "X-DEBUGINFOD-MAXSIZE: \(field)")
                    #expect(answer.status == 200, "\(field)")
                }
                let refused = try await server.get(target, "X-DEBUGINFOD-MAXSIZE: \(size - 1)")
                try expect(refused, refusesWith: .largerThanMaxsize)
                #expect(refused["X-DEBUGINFOD-SIZE"] == "\(size)")
                #expect(refused["X-DEBUGINFOD-FILE"] == whole["X-DEBUGINFOD-FILE"])
                #expect(try await server.head(target, "X-DEBUGINFOD-MAXSIZE: 1").status == 406)
            }
        }
    }

    private func metadata(_ server: RunningServer, _ key: String, _ value: String) async throws -> DebuginfodMetadata {
        let answer = try await server.get("/metadata" + APIPath.query([("key", key), ("value", value)]))
        #expect(answer["Content-Type"] == "application/json")
        return try answer.decoded()
    }

    @Test func metadataFindsKernels() async throws {
        try await withRunningServer { server in
            for (id, release) in [("aa", "6.1.0"), ("bb", "6.1.0"), ("cc", "6.10.0"), ("dd", "")] {
                try await server.upload(TestKernels.tar(), as: id, query: "?release=\(release)")
            }
            for id in ["aa", "ee"] {
                #expect(try await server.put("/v1/kernels/\(id)/btf", SmallBTF.bytes()).status == 201)
            }
            func found(_ key: String, _ value: String) async throws -> [String] {
                let metadata = try await metadata(server, key, value)
                #expect(metadata.complete)
                return metadata.results.map { "\($0.type) \($0.buildid) \($0.file ?? "-")" }
            }
            let first = ["headers aa /lib/modules/6.1.0/build", "headers bb /lib/modules/6.1.0/build"]
            let last = "headers cc /lib/modules/6.10.0/build"
            #expect(try await found("file", "/lib/modules/6.1.0/build") == first)
            for file in ["/lib/modules/6.1/build", "/lib/modules//build", "6.1.0", "/lib/modules/6.1.0/build/x", "/"] {
                #expect(try await found("file", file) == [])
            }
            #expect(try await found("glob", "/lib/modules/6.1*/build") == first + [last])
            #expect(try await found("glob", "*6.1?[0-9].0*") == [])
            #expect(try await found("glob", "*6.1[0-9].0*") == [last])
            #expect(try await found("glob", "/lib/modules//build") == [])
            let btf = "btf aa /sys/kernel/btf/vmlinux"
            #expect(try await found("buildid", "aa") == [first[0], btf])
            #expect(try await found("buildid", "dd") == ["headers dd -"])
            #expect(try await found("buildid", "ee") == ["btf ee /sys/kernel/btf/vmlinux"])
            #expect(try await found("buildid", "ff") == [])
        }
    }

    @Test func metadataThatIsCutOffSaysSo() async throws {
        try await withRunningServer { server in
            let tar = TestKernels.tar()
            for number in 0...1000 {
                let identity = KernelIdentity(
                    buildID: try #require(BuildID(bytes: [UInt8(number >> 8), UInt8(number & 255)])), release: "6.1")
                try await server.store.put(tar, as: identity)
            }
            for (key, value) in [("file", "/lib/modules/6.1/build"), ("glob", "*")] {
                let metadata = try await metadata(server, key, value)
                #expect(metadata.results.count == 1000)
                #expect(!metadata.complete)
            }
        }
    }

    @Test(arguments: [
        ("", ProblemCode.parameterMalformed), ("key=file", .parameterMalformed), ("value=/x", .parameterMalformed),
        ("key=name&value=/x", .parameterMalformed), ("key=glob&value=", .parameterMalformed),
        ("key=glob&value=%0a", .parameterMalformed), ("key=buildid&value=XX", .buildIDMalformed),
    ])
    func metadataThatSaysNothing(query: String, code: ProblemCode) async throws {
        try await withRunningServer { server in
            try expect(await server.get("/metadata?\(query)"), refusesWith: code)
            let long = String(repeating: "*", count: KernelIdentity.maximumLabelLength + 1)
            try expect(await server.get("/metadata?key=glob&value=\(long)"), refusesWith: .parameterMalformed)
        }
    }

    /// A pattern that makes a naive matcher try for ever.
    @Test(.timeLimit(.minutes(5))) func aPatternCanNotKeepTheServerBusy() async throws {
        try await withRunningServer { server in
            let release = String(repeating: "a", count: 1000)
            try await server.upload(TestKernels.tar(), query: "?release=\(release)")
            let pattern = String(repeating: "*a", count: 200) + "b"
            let metadata = try await metadata(server, "glob", pattern)
            #expect(metadata.results == [])
        }
    }
}
