import FoundationEssentials
import HeaderArchive
import KHeaderTestSupport
import KernelHeaders
import Testing

/// What a tree is served as, whole: bundles and what their fields say.
@Suite struct BundleTests {
    private static let manifest = Result { try TestKernels.kernel.manifest }

    private static func path(_ format: BundleFormat) -> String {
        "/buildid/\(TestKernels.id)/headers.\(format.rawValue)"
    }

    @Test func aBundleHoldsTheTree() async throws {
        try await withRunningServer { server in
            try await server.upload()
            for format in BundleFormat.allCases {
                let answer = try await server.get(Self.path(format))
                #expect(answer.status == 200)
                let manifest = try HeaderTreeReader.read(MemorySource(answer.body), visitor: ManifestOnly())
                #expect(try manifest == Self.manifest.get())
                #expect(answer["Content-Type"] == format.mediaType)
                #expect(answer["Content-Length"] == "\(answer.body.count)")
                #expect(answer["Accept-Ranges"] == "bytes")
                #expect(answer["ETag"] == "\"\(answer.digest)\"")
                #expect(
                    answer["Repr-Digest"] == "sha-256=:\(Data(answer.digest.bytes).base64EncodedString()):")
                #expect(answer["Cache-Control"] == "public, max-age=300, immutable")
                #expect(answer["Content-Encoding"] == nil)
                // Who has unpacked it can check the tree without another request.
                #expect(answer[APIField.tree] == "\(manifest.digest)")
            }
        }
    }

    @Test func bundlesAreInTheFormThatTheirNamesSay() async throws {
        try await withRunningServer { server in
            try await server.upload()
            let tar = try await server.get(Self.path(.tar)).body
            for (format, tool) in [(BundleFormat.tarXZ, CompressionTool.xz), (.tarZstd, .zstd), (.tarGzip, .gzip)] {
                #expect(try tool.decompress(try await server.get(Self.path(format)).body) == tar)
            }
        }
    }

    @Test func headAnswersAsGetWithoutTheBody() async throws {
        try await withRunningServer { server in
            try await server.upload()
            let digest = try Self.manifest.get().digest
            let paths =
                BundleFormat.allCases.map(Self.path) + [
                    "/trees/\(digest)/headers.tar", "/buildid/\(TestKernels.id)/manifest.json",
                    "/trees/\(digest)/source/include/linux/sched.h", "/v1/kernels", "/v1/kernels/\(TestKernels.id)",
                    "/livez", "/readyz",
                ]
            for path in paths {
                let connection = try server.connect()
                // Two, so that a body in place of the second answer's start would be seen.
                let line = "HEAD \(path) HTTP/1.1\r\nHost: x\r\n\r\n"
                await connection.send(line + line)
                let heads = try await (1...2).asyncMap { _ in try await connection.answer(toHead: true) }
                let whole = try await server.get(path)
                #expect(heads.map(\.status) == [200, 200])
                #expect(heads.allSatisfy { $0.lastingFields == whole.lastingFields })
                #expect(whole["Content-Length"] == "\(whole.body.count)")
                connection.close()
            }
        }
    }

    @Test func aTreeIsNamedByItsDigestForEver() async throws {
        try await withRunningServer { server in
            let digest = try await server.upload().treeDigest
            for name in BundleFormat.allCases.map({ "headers.\($0.rawValue)" }) + [
                "manifest.json", "source/include/linux/mm.h",
            ] {
                let byDigest = try await server.get("/trees/\(digest)/\(name)")
                let byBuildID = try await server.get("/buildid/\(TestKernels.id)/\(name)")
                #expect(byDigest.body == byBuildID.body)
                #expect(byDigest["ETag"] == byBuildID["ETag"])
                #expect(byDigest[APIField.tree] == "\(digest)")
                #expect(byBuildID[APIField.tree] == "\(digest)")
                #expect(byDigest["Cache-Control"] == "public, max-age=31536000, immutable")
                #expect(byBuildID["Cache-Control"] == "public, max-age=300, immutable")
            }
        }
    }

    /// Whatever else a server has, and in whatever order it came.
    @Test func twoServersHaveTheSameBytes() async throws {
        func bundles(_ server: RunningServer) async throws -> [[UInt8]] {
            try await BundleFormat.allCases.asyncMap { try await server.get(Self.path($0)).body }
        }
        let first = try await withRunningServer { server in
            try await server.upload()
            return try await bundles(server)
        }
        let second = try await withRunningServer { server in
            try await server.upload(TestKernels.nextBuild.tar, as: TestKernels.otherID)
            try await server.upload(try CompressionTool.gzip.compress(TestKernels.tar))
            return try await bundles(server)
        }
        #expect(first == second)
    }

    @Test(arguments: ["gzip", "identity;q=0", "zstd, br, *", "identity;q=0, *;q=0", ""])
    func acceptEncodingChangesNothing(_ value: String) async throws {
        try await withRunningServer { server in
            try await server.upload(TestKernels.tar())
            for path in [Self.path(.tar), "/buildid/\(TestKernels.id)/manifest.json"] {
                let plain = try await server.get(path)
                let answer = try await server.get(path, "Accept-Encoding: \(value)")
                #expect(answer.status == 200)
                #expect(answer.lastingFields == plain.lastingFields)
                #expect(answer.body == plain.body)
            }
        }
    }

    /// The programs that users unpack with, for every form.
    @Test func everyTarUnpacksTheSameTree() async throws {
        let bundles = try await withRunningServer { server in
            try await server.upload()
            return try await BundleFormat.allCases.asyncMap { ($0, try await server.get(Self.path($0)).body) }
        }
        for (format, bundle) in bundles { try unpack(bundle, format) }
    }

    private func unpack(_ bundle: [UInt8], _ format: BundleFormat) throws {
        // Python's tarfile has no zstd before 3.14.
        let plain = format == .tarZstd ? try CompressionTool.zstd.decompress(bundle) : bundle
        let script = "import sys, tarfile\ntarfile.open(sys.argv[1]).extractall(sys.argv[2])\n"
        let expected = try Self.manifest.get()
        try withTemporaryFolder { folder in
            let file = try folder.write(bundle, to: "headers.\(format.rawValue)")
            let plainFile = try folder.write(plain, to: "headers")
            for (name, command) in [
                ("gnu", ["tar", "-xf", file, "-C"]), ("bsd", ["bsdtar", "-xf", file, "-C"]),
                ("python", ["python3", "-W", "ignore", "-c", script, plainFile]),
            ] {
                let target = try folder.makeFolder(name)
                try ShellCommand(command[0], command.dropFirst() + [target]).output()
                #expect(try HeaderFolder(source: target).read(ManifestOnly()) == expected, "\(name) \(format)")
            }
        }
    }
}
