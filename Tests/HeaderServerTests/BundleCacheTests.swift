import HeaderStore
import KHeaderTestSupport
import KernelHeaders
import OperatorDocuments
import Testing

/// Bundles on disk: built once, given up for others, made again.
@Suite struct BundleCacheTests {
    private static func path(_ format: BundleFormat) -> String {
        "/buildid/\(TestKernels.id)/headers.\(format.rawValue)"
    }

    private static func isBundle(_ event: WatchedFileSystem.Event) -> Bool {
        if case .created(let path) = event { path.hasSuffix("-bundle") } else { false }
    }

    @Test func concurrentFirstRequestsBuildOnce() async throws {
        let files = WatchedFileSystem()
        try await withRunningServer(options: { $0.files = files }) { server in
            try await server.upload(SmallKernel().tar)
            let bodies = try await withThrowingTaskGroup(of: [UInt8].self) { group in
                for _ in 0..<20 { group.addTask { try await server.get(Self.path(.tarXZ)).body } }
                return try await group.reduce(into: Set()) { $0.insert($1) }
            }
            #expect(bodies.count == 1)
            #expect(files.events.count(where: Self.isBundle) == 1)
            #expect(try await server.get(Self.path(.tarXZ)).body == bodies.first)
            #expect(files.events.count(where: Self.isBundle) == 1)
            #expect(server.folder.names(in: "store/bundles").count == 1)
        }
    }

    @Test func bundlesAreKeptOverARestart() async throws {
        let files = WatchedFileSystem()
        try await withTemporaryFolder { folder in
            let first = try await withRunningServer(in: folder) { server in
                try await server.upload()
                return try await server.get(Self.path(.tarGzip)).body
            }
            let second = try await withRunningServer(in: folder, options: { $0.files = files }) { server in
                try await server.get(Self.path(.tarGzip)).body
            }
            #expect(first == second)
            #expect(!files.events.contains(where: Self.isBundle))
        }
    }

    @Test func theLeastRecentlyUsedGivesWayAndComesBackTheSame() async throws {
        let sizes = try await withRunningServer { server in
            try await server.upload()
            return try await BundleFormat.allCases.asyncMap { try await server.get(Self.path($0)).body.count }
        }
        // Room for the three small ones, or for the tar and hardly anything else.
        let budget = (sizes.max() ?? 0) + 1
        let files = WatchedFileSystem()
        try await withRunningServer(options: {
            $0.bundleBytes = budget; $0.files = files
        }) { server in
            try await server.upload()
            let tags = try await BundleFormat.allCases.asyncMap { format in
                let answer = try await server.get(Self.path(format))
                #expect(try await server.get("/v1/store").decoded(StoreStatus.self).bundleBytes <= budget)
                return answer["ETag"]
            }
            let kept = server.folder.names(in: "store/bundles")
            #expect(kept.map { $0.hasSuffix(".tar") } == [true])
            let again = try await BundleFormat.allCases.asyncMap { try await server.get(Self.path($0))["ETag"] }
            #expect(again == tags)
            #expect(files.events.count(where: Self.isBundle) == 8)
        }
    }

    /// Each of them pushes the others out before they are sent.
    @Test func aBudgetThatHoldsNothingStillServes() async throws {
        try await withRunningServer(options: { $0.bundleBytes = 1 }) { server in
            try await server.upload()
            let statuses = try await withThrowingTaskGroup(of: Int.self) { group in
                for number in 0..<40 {
                    let path = Self.path(BundleFormat.allCases[number % 4])
                    group.addTask { try await server.get(path).status }
                }
                return try await group.reduce(into: Set()) { $0.insert($1) }
            }
            #expect(statuses == [200])
            let kept = server.folder.names(in: "store/bundles")
            #expect(kept.count <= 1)
            // What is counted is what is there.
            let bytes = try kept.reduce(0) { $0 + (try server.folder.read("store/bundles/\($1)").count) }
            #expect(try await server.get("/v1/store").decoded(StoreStatus.self).bundleBytes == bytes)
        }
    }

    @Test func aBundleThatWasTamperedWithIsBuiltAgain() async throws {
        try await withRunningServer { server in
            try await server.upload()
            let good = try await server.get(Self.path(.tarZstd))
            let file = "store/bundles/\(server.folder.names(in: "store/bundles")[0])"
            let bytes = try server.folder.read(file)
            #expect(bytes == good.body)
            for tampered in [Array(bytes.dropLast()), [], bytes + [0]] {
                try server.folder.write(tampered, to: file)
                #expect(try await server.get(Self.path(.tarZstd)).body == good.body)
                #expect(try server.folder.read(file) == bytes)
            }
            try PosixFileSystem().remove(server.folder.path(file))
            #expect(try await server.head(Self.path(.tarZstd)).lastingFields == good.lastingFields)
            #expect(try await server.get(Self.path(.tarZstd)).body == good.body)
        }
    }

    /// Neither is the file looked at, nor made anew when it is gone.
    @Test func aHeadAndA304NeedNoFile() async throws {
        try await withRunningServer { server in
            try await server.upload()
            let whole = try await server.get(Self.path(.tarGzip))
            let names = server.folder.names(in: "store/bundles")
            try PosixFileSystem().remove(server.folder.path("store/bundles/\(try #require(names.first))"))
            #expect(try await server.head(Self.path(.tarGzip)).lastingFields == whole.lastingFields)
            let tag = try #require(whole["ETag"])
            #expect(try await server.get(Self.path(.tarGzip), "If-None-Match: \(tag)").status == 304)
            #expect(server.folder.names(in: "store/bundles").isEmpty)
            #expect(try await server.get(Self.path(.tarGzip), "If-None-Match: \"x\"").body == whole.body)
        }
    }

    @Test func aBundleThatIsBeingSentOutlivesItsName() async throws {
        try await withRunningServer { server in
            try await server.upload(SmallKernel().tar)
            let whole = try await server.get(Self.path(.tar))
            let connection = try server.connect()
            await connection.send("GET \(Self.path(.tar)) HTTP/1.1\r\nHost: x\r\n\r\n")
            // The head is there, and 1.9 MB are more than sockets hold.
            let start = try await connection.beginning(100)
            try PosixFileSystem().remove(
                server.folder.path("store/bundles/\(server.folder.names(in: "store/bundles")[0])"))
            #expect(start.starts(with: Array("HTTP/1.1 200".utf8)))
            #expect(try await connection.answer().body == whole.body)
            connection.close()
        }
    }
}
