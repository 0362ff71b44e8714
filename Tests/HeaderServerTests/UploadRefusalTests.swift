import Glibc
import HeaderArchive
import HeaderStore
import KHeaderTestSupport
import KernelHeaders
import OperatorDocuments
import Synchronization
import Testing

/// Uploads that are refused for what they say, and for what the server's disk is like. Nothing is left of them.
@Suite struct UploadRefusalTests {
    private static let path = "/v1/kernels/\(TestKernels.id)/headers"

    @Test(arguments: [
        "x", "0", "012", "0123456789ABCDEF", "zz", String(repeating: "00", count: 65), "01%20", "%30%31", "0x12",
    ])
    func aMalformedBuildID(_ id: String) async throws {
        try await withRunningServer { server in
            try expect(await server.put("/v1/kernels/\(id)/headers", TestKernels.tar()), refusesWith: .buildIDMalformed)
            for path in ["/v1/kernels/\(id)", "/buildid/\(id)/headers.tar", "/buildid/\(id)/manifest.json"] {
                try expect(await server.get(path), refusesWith: .buildIDMalformed)
            }
        }
    }

    @Test func aBuildIDOfAnyLength() async throws {
        try await withRunningServer { server in
            for id in ["00", "0123456789abcdef", String(repeating: "fe", count: 64)] {
                try await server.upload(TestKernels.tar(), as: id)
            }
        }
    }

    @Test(arguments: ["release", "versionLine", "architecture"])
    func aMalformedLabel(_ name: String) async throws {
        try await withRunningServer { server in
            for value in ["a%0Ab", "%00", "%1b[31m", "%7F", "%C2%9B", String(repeating: "x", count: 1025)] {
                let answer = try await server.put("\(Self.path)?\(name)=\(value)", TestKernels.tar())
                try expect(answer, refusesWith: .parameterMalformed)
                #expect(answer.text.contains(name))
            }
        }
    }

    @Test func theLongestLabels() async throws {
        try await withRunningServer { server in
            let long = String(repeating: "%C3%A9", count: 512)
            try await server.upload(
                TestKernels.tar(), query: "?release=\(long)&versionLine=\(long)&architecture=sparc64")
            let identity = try await server.summary().identity
            #expect(identity.release == String(repeating: "é", count: 512))
            #expect(identity.versionLine == identity.release)
            #expect(identity.architecture?.machine == "sparc64")
        }
    }

    @Test func otherParametersThatAreMalformed() async throws {
        try await withRunningServer { server in
            for query in [
                "source=me", "source=PUSH", "source=unknown", "hasBTF=1", "hasBTF=True", "hasBTF=yes",
            ] {
                let answer = try await server.put("\(Self.path)?\(query)", TestKernels.tar())
                try expect(answer, refusesWith: .parameterMalformed)
            }
            #expect(try await server.get("/v1/kernels").decoded(KernelList.self).kernels.isEmpty)
        }
    }

    @Test func sourcesAndBooleansAndWhatIsEmpty() async throws {
        try await withRunningServer { server in
            for (number, source) in HeaderSource.uploadable.enumerated() {
                let query = "?source=\(source.rawValue)&hasBTF=\(number > 0)"
                try await server.upload(TestKernels.tar(), as: "0\(number)", query: query)
                let summary = try await server.summary("0\(number)")
                #expect(summary.source == source)
                #expect(summary.identity.hasBTF == (number > 0))
            }
            // Empty is as good as left out; of two, the first counts; others are not known and do no harm.
            let query = "?source=&hasBTF=&release=&architecture=&versionLine&x=y&release=second"
            try await server.upload(TestKernels.tar(), as: "ee", query: query)
            let summary = try await server.summary("ee")
            #expect(summary.identity == KernelIdentity(buildID: summary.identity.buildID))
            #expect(summary.source == .push)
        }
    }

    @Test func aReleaseThatIsNotTheTrees() async throws {
        try await withRunningServer { server in
            let before = try await server.snapshot()
            let answer = try await server.put("\(Self.path)?release=6.1.0-98-amd64", TestKernels.tar)
            try expect(answer, refusesWith: .releaseMismatch)
            #expect(answer.text.contains("6.1.0-99-amd64") && answer.text.contains("6.1.0-98-amd64"))
            #expect(try await server.snapshot() == before)
        }
    }

    @Test func anArchitectureThatIsNotTheTrees() async throws {
        try await withRunningServer { server in
            let before = try await server.snapshot()
            let answer = try await server.put("\(Self.path)?architecture=aarch64", TestKernels.tar)
            try expect(answer, refusesWith: .architectureMismatch)
            #expect(try await server.snapshot() == before)
            // i686 has its headers in the same folder.
            try await server.upload(query: "?architecture=i686")
        }
    }

    @Test func aDiskWithoutRoom() async throws {
        let free = Mutex(1 << 30)
        try await withRunningServer(options: { $0.freeBytes = { free.withLock { $0 } } }) { server in
            let before = try await server.snapshot()
            // Room for the archive, and not for what is in it: refused while it is unpacked.
            let archive = try CompressionTool.gzip.compress(TestKernels.tar)
            for room in [0, (64 << 20) + archive.count] {
                free.withLock { $0 = room }
                try expect(await server.put(Self.path, archive), refusesWith: .diskFull)
                #expect(try await server.snapshot() == before)
            }
            free.withLock { $0 = 1 << 30 }
            try await server.upload()
            // A bundle has to have room too; what is there already is served on.
            #expect(try await server.get("/buildid/\(TestKernels.id)/headers.tar.gz").status == 200)
            free.withLock { $0 = 0 }
            try expect(await server.get("/buildid/\(TestKernels.id)/headers.tar"), refusesWith: .diskFull)
            #expect(try await server.get("/buildid/\(TestKernels.id)/manifest.json").status == 200)
            #expect(server.folder.names(in: "store/staging").isEmpty)
        }
    }

    @Test func aDiskThatFails() async throws {
        let files = WatchedFileSystem()
        try await withRunningServer(options: { $0.files = files }) { server in
            let before = try await server.snapshot()
            for (number, code) in [
                (ENOSPC, ProblemCode.diskFull), (EDQUOT, .diskFull), (EIO, .internalError), (EACCES, .internalError),
            ] {
                files.fail(number)
                let answer = try await server.put(Self.path, TestKernels.tar)
                try expect(answer, refusesWith: code)
                #expect(!answer.text.contains("secret"))
            }
            files.fail(nil)
            #expect(try await server.snapshot() == before)
            try await server.upload()
        }
    }

    /// A pack whose bytes have changed is never served as good.
    @Test func aPackThatIsDamaged() async throws {
        try await withTemporaryFolder { folder in
            try await withRunningServer(in: folder) { _ = try await $0.upload() }
            let pack = "store/packs/\(folder.names(in: "store/packs")[0])"
            var bytes = try folder.read(pack)
            for offset in stride(from: 64, to: bytes.count, by: 64) { bytes[offset] ^= 0x55 }
            try folder.write(bytes, to: pack)
            try await withRunningServer(in: folder) { server in
                for path in ["source/include/linux/sched.h", "headers.tar", "manifest.json"] {
                    try expect(await server.get("/buildid/\(TestKernels.id)/\(path)"), refusesWith: .storeDamaged)
                }
                #expect(server.folder.names(in: "store/staging").isEmpty)
                #expect(server.folder.names(in: "store/bundles").isEmpty)
            }
        }
    }
}
