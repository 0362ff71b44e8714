import FoundationEssentials
import HeaderArchive
import HeaderStore
import KHeaderTestSupport
import KernelHeaders
import OperatorDocuments
import Testing

/// `/v1/kernels`, one kernel of it, and `/v1/store`.
@Suite struct KernelListTests {
    /// Build ID and release, in the order in which they are uploaded.
    private static let kernels = [
        ("cc", "6.1.0-9"), ("aa01", "6.1.0-9"), ("aa", "6.1.0-9"), ("01", "6.1.0-10"), ("ff", ""), ("00ff", "5.10"),
        ("fe", "6.1.0-9 \u{e9}/+&.x"),
    ]
    /// By the bytes of the release, then those of the build ID; without a release first.
    private static let sorted = ["ff", "00ff", "01", "aa", "aa01", "cc", "fe"]

    private func withKernels(_ body: (RunningServer) async throws -> Void) async throws {
        try await withRunningServer { server in
            for (id, release) in Self.kernels {
                let query = APIPath.query([("release", release)])
                try await server.upload(TestKernels.tar(), as: id, query: query)
            }
            try await body(server)
        }
    }

    @Test func anEmptyList() async throws {
        try await withRunningServer { server in
            let answer = try await server.get("/v1/kernels")
            #expect(answer.status == 200)
            #expect(answer.text == #"{"kernels":[]}"#)
            #expect(answer["Content-Type"] == "application/json")
            #expect(answer["Cache-Control"] == "no-cache")
        }
    }

    /// A filter that is misspelt must not be all kernels.
    @Test(arguments: ["hasBTF=false", "btf=true&btf=false", "limit=1&x", "release%0A=1", "LIMIT=1"])
    func whatIsNoFilterIsRefused(_ query: String) async throws {
        try await withRunningServer { server in
            let answer = try await server.get("/v1/kernels?\(query)")
            try expect(answer, refusesWith: .parameterMalformed)
            #expect(answer.text.contains("releaseGlob"))
        }
    }

    @Test func theListHasWhatIsKnown() async throws {
        try await withRunningServer(options: { $0.now = { 1_234 } }) { server in
            let receipt = try await server.upload(
                query: "?versionLine=x&architecture=i686&hasBTF=false&source=agent")
            let members = """
                "architecture":"i686","buildID":"\(TestKernels.id)","bytes":\(receipt.bytes),"conflicts":0,\
                "distribution":"debian","files":\(receipt.files),"firstSeen":1234,"hasBTF":false,"hasPCH":false,"hosts":0,\
                "lastSeen":1234,"release":"6.1.0-99-amd64",\
                "smoke":{"state":"untried"},"source":"agent","treeDigest":"\(receipt.treeDigest)","versionLine":"x"
                """
            #expect(try await server.get("/v1/kernels").text == "{\"kernels\":[{\(members)}]}")
            let list: KernelList = try await server.get("/v1/kernels").decoded()
            let detail: KernelDetail = try await server.get("/v1/kernels/\(TestKernels.id)").decoded()
            #expect([detail.entry] == list.kernels)
            #expect(detail.addedBytes == receipt.storedBytes)
            #expect(detail.artefacts.map(\.path) == BundleFormat.allCases.map { APIPath.bundle(receipt.buildID, $0) })
            #expect(detail.artefacts.allSatisfy { $0.bytes == nil })
            let bundle = try await server.get("/buildid/\(TestKernels.id)/headers.tar.xz")
            let after: KernelDetail = try await server.get("/v1/kernels/\(TestKernels.id)").decoded()
            #expect(after.artefacts.compactMap(\.bytes) == [bundle.body.count])
            #expect(after.artefacts.compactMap(\.digest) == [SHA256Hash.digest(of: bundle.body)])
        }
    }

    @Test func theListIsInOrder() async throws {
        try await withKernels { server in
            let list: KernelList = try await server.get("/v1/kernels").decoded()
            #expect(list.kernels.map { "\($0.identity.buildID)" } == Self.sorted)
            #expect(list.next == nil)
        }
    }

    @Test(arguments: [1, 2, 3, 6, 7, 1000])
    func pagesMakeUpTheList(limit: Int) async throws {
        try await withKernels { server in
            let whole: KernelList = try await server.get("/v1/kernels").decoded()
            var found: [KernelEntry] = []
            var cursor: String?
            repeat {
                let query = APIPath.query([("limit", "\(limit)"), ("cursor", cursor)])
                let page: KernelList = try await server.get("/v1/kernels\(query)").decoded()
                #expect((1...limit).contains(page.kernels.count))
                found += page.kernels
                cursor = page.next
            } while cursor != nil && found.count < 100
            #expect(found == whole.kernels)
        }
    }

    @Test(arguments: [1, 2, 1000])
    func aReleaseHasItsKernelsOnly(limit: Int) async throws {
        try await withKernels { server in
            for (release, expected) in [
                ("6.1.0-9", ["aa", "aa01", "cc"]), ("6.1.0-9 \u{e9}/+&.x", ["fe"]), ("6.1.0", []), ("6.1.0-9%", []),
                ("5.10", ["00ff"]), ("", Self.sorted),
            ] {
                var found: [String] = []
                var cursor: String?
                repeat {
                    let query = APIPath.query([("release", release), ("limit", "\(limit)"), ("cursor", cursor)])
                    let page: KernelList = try await server.get("/v1/kernels\(query)").decoded()
                    found += page.kernels.map { "\($0.identity.buildID)" }
                    cursor = page.next
                } while cursor != nil && found.count < 100
                #expect(found == expected, "\(release)")
            }
            let list: KernelList = try await server.get(APIPath.kernels(release: "5.10")).decoded()
            #expect(list.kernels.map(\.identity.release) == ["5.10"])
        }
    }

    /// The cursor is a place in the order, and stays one.
    @Test func kernelsThatComeInBetween() async throws {
        try await withKernels { server in
            let first: KernelList = try await server.get("/v1/kernels?limit=3").decoded()
            let query = APIPath.query([("cursor", first.next)])
            try await server.upload(TestKernels.tar(), as: "02", query: "?release=6.1.0-10")
            try await server.upload(TestKernels.tar(), as: "03", query: "?release=1")
            let rest: KernelList = try await server.get("/v1/kernels\(query)").decoded()
            #expect(rest.kernels.map { "\($0.identity.buildID)" } == ["02"] + Self.sorted.dropFirst(3))
        }
    }

    @Test(arguments: [
        "limit=0", "limit=-1", "limit=1001", "limit=x", "limit=1.5", "limit=99999999999999999999", "limit=%31%00",
        "release=%0a", "cursor=x", "cursor=.", "cursor=zz.6.1", "cursor=release-asc.0.6", "cursor=release-asc.AB.1",
        "cursor=release-asc.aa", "cursor=%ff", "sort=size", "order=up", "source=unknown", "source=x", "headers=yes",
        "btf=1", "pch=x", "conflict=x", "pinned=x", "running=x", "purged=x", "seenSince=-1", "seenSince=x",
        "releaseGlob=*********", "releaseGlob=%00", "architecture=%0a", "distribution=%7f",
    ])
    func malformedPages(_ query: String) async throws {
        try await withRunningServer { server in
            try await server.upload(TestKernels.tar())
            try expect(await server.get("/v1/kernels?\(query)"), refusesWith: .parameterMalformed)
        }
    }

    @Test func emptyParametersAreNone() async throws {
        try await withKernels { server in
            let list: KernelList = try await server.get("/v1/kernels?limit=&cursor=").decoded()
            #expect(list.kernels.count == Self.sorted.count)
        }
    }

    @Test func theStoreCountsWhatItHas() async throws {
        try await withRunningServer { server in
            let first = try await server.upload()
            let second = try await server.upload(TestKernels.nextBuild.tar, as: TestKernels.otherID)
            let bundle = try await server.get("/buildid/\(TestKernels.id)/headers.tar.xz").body
            let status: StoreStatus = try await server.get("/v1/store").decoded()
            #expect((status.kernels, status.trees, status.conflicts, status.packs) == (2, 2, 0, 2))
            #expect(status.blobs == first.newBlobs + second.newBlobs)
            #expect(status.blobBytes == first.newBytes + second.newBytes)
            #expect((status.files, status.rawBytes) == (first.files + second.files, first.bytes + second.bytes))
            let packBytes = try server.folder.names(in: "store/packs")
                .reduce(0) { $0 + (try server.folder.read("store/packs/\($1)").count) }
            #expect(status.packBytes == packBytes)
            #expect(status.packBytes == first.storedBytes + second.storedBytes)
            #expect(status.bundleBytes == bundle.count)
            #expect(status.catalogueBytes > 0)
            // The next build is nearly the same.
            #expect(second.newBlobs < 10 && second.storedBytes < 5000)
        }
    }
}
