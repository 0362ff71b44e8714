import FoundationEssentials
import HeaderArchive
import HeaderStore
import KHeaderTestSupport
import KernelHeaders
import OperatorDocuments
import Testing

/// BTF over HTTP: its upload, and the section that debuginfod's clients ask for.
@Suite struct BTFTests {
    private static let upload = "/v1/kernels/\(TestKernels.id)/btf"
    private static let section = "/buildid/\(TestKernels.id)/section/.BTF"
    /// More than a piece of an answer.
    private static let btf = SmallBTF.bytes((0..<40_000).map { "name_\($0)" })

    @Test func whatIsUploadedIsServed() async throws {
        try await withRunningServer { server in
            let stored = try await server.put(Self.upload, Self.btf)
            #expect(stored.status == 201)
            #expect(stored["Location"] == Self.section)
            let receipt: BTFReceipt = try stored.decoded()
            let digest = SHA256Hash.digest(of: Self.btf)
            #expect((receipt.digest, receipt.bytes) == (digest, Self.btf.count))
            #expect("\(receipt.buildID)" == TestKernels.id)

            let known = try await server.put(Self.upload, Self.btf)
            #expect(known.status == 200)
            #expect(known["Location"] == nil)

            let answer = try await server.get(Self.section)
            #expect(answer.status == 200)
            let isSame = answer.body == Self.btf
            #expect(isSame)
            #expect(answer["Content-Type"] == "application/octet-stream")
            #expect(answer["ETag"] == "\"\(digest)\"")
            #expect(answer["Repr-Digest"] == "sha-256=:\(Data(digest.bytes).base64EncodedString()):")
            #expect(answer["Cache-Control"] == "public, max-age=300, immutable")
            #expect(answer["X-DEBUGINFOD-SIZE"] == "\(Self.btf.count)")
            #expect(answer["X-DEBUGINFOD-FILE"] == "vmlinux")
            #expect(try await server.get("/buildid/\(TestKernels.id)/section/%2EBTF").status == 200)

            let head = try await server.head(Self.section)
            #expect(head.lastingFields == answer.lastingFields)
            #expect(try await server.get(Self.section, "If-None-Match: \"\(digest)\"").status == 304)
            // Over the end of a piece.
            let range = (256 << 10) - 5..<(256 << 10) + 5
            let part = try await server.get(Self.section, "Range: bytes=\(range.lowerBound)-\(range.upperBound - 1)")
            #expect(part.status == 206)
            #expect(part.body == Array(Self.btf[range]))
            #expect(part["X-DEBUGINFOD-SIZE"] == "\(Self.btf.count)")
        }
    }

    @Test(.enabled(if: (try? FileSource(path: "/sys/kernel/btf/vmlinux")) != nil, "this kernel has no BTF"))
    func thisMachinesBTF() async throws {
        let btf = try FileSource(path: "/sys/kernel/btf/vmlinux").readAll()
        try await withRunningServer { server in
            let receipt: BTFReceipt = try await server.put(Self.upload, btf).decoded()
            #expect(receipt.storedBytes * 3 < btf.count)
            let isSame = try await server.get(Self.section).body == btf
            #expect(isSame)
        }
    }

    /// Never 503: debuginfod's client would then download whole files.
    @Test func whatIsNotThereIsNotFound() async throws {
        try await withRunningServer { server in
            try expect(await server.get(Self.section), refusesWith: .kernelUnknown)
            try await server.upload(TestKernels.tar())
            for name in [".BTF", ".text", ".BTF.ext", "%2E", "x%2Fy", "%zz"] {
                let answer = try await server.get("/buildid/\(TestKernels.id)/section/\(name)")
                try expect(answer, refusesWith: .sectionUnknown)
            }
            #expect(try await server.put(Self.upload, SmallBTF.bytes()).status == 201)
            for name in [".text", ".BTF.ext", ".btf", "%zz", ".BTF%00"] {
                let answer = try await server.get("/buildid/\(TestKernels.id)/section/\(name)")
                try expect(answer, refusesWith: .sectionUnknown)
            }
            for path in ["/buildid/XX/section/.BTF", "/buildid/0/debuginfo", "/buildid/x/executable"] {
                try expect(await server.get(path), refusesWith: .buildIDMalformed)
            }
            for name in ["debuginfo", "executable"] {
                try expect(await server.get("/buildid/\(TestKernels.id)/\(name)"), refusesWith: .artifactUnknown)
            }
            try expect(await server.get("/buildid/\(TestKernels.id)/badtype"), refusesWith: .routeUnknown)
        }
    }

    @Test func aKernelWithBTFAlone() async throws {
        try await withRunningServer { server in
            #expect(try await server.put(Self.upload, SmallBTF.bytes()).status == 201)
            for path in [
                "/buildid/\(TestKernels.id)/headers.tar.zst", "/buildid/\(TestKernels.id)/manifest.json",
                "/buildid/\(TestKernels.id)/source/include/linux/bpf.h",
            ] {
                try expect(await server.get(path), refusesWith: .kernelHasNoHeaders)
            }
            let detail: KernelDetail = try await server.get("/v1/kernels/\(TestKernels.id)").decoded()
            #expect(detail.absence?.contains("has the BTF") == true)
            #expect(detail.artefacts.map(\.path) == [APIPath.btfSection(detail.entry.identity.buildID)])
            #expect(detail.artefacts.map(\.bytes) == [SmallBTF.bytes().count])
            #expect(try await server.get("/v1/kernels").decoded(KernelList.self).kernels == [detail.entry])
            try await server.upload()
            let summary = try await server.summary()
            #expect(summary.btfBytes == SmallBTF.bytes().count)
            #expect(summary.identity.hasBTF == true)
        }
    }

    @Test func uploadsThatAreRefusedLeaveNothing() async throws {
        let files = WatchedFileSystem()
        try await withRunningServer(options: {
            $0.btfBytes = 1000
            $0.files = files
        }) { server in
            let btf = SmallBTF.bytes()
            let larger = SmallBTF.bytes([String(repeating: "x", count: 1000)])
            try expect(await server.put("/v1/kernels/X/btf", btf), refusesWith: .buildIDMalformed)
            try expect(await server.put(Self.upload, []), refusesWith: .btfMalformed)
            try expect(await server.put(Self.upload, Array(btf.dropLast())), refusesWith: .btfMalformed)
            try expect(await server.put(Self.upload, TestKernels.tar().prefix(900) + []), refusesWith: .btfMalformed)
            try expect(await server.put(Self.upload, larger), refusesWith: .uploadTooLarge)
            try expect(
                await server.put(Self.upload, btf, "Content-Range: bytes 0-9/99"), refusesWith: .requestMalformed)
            try expect(await server.put(Self.upload, btf, "Content-Digest: sha-256=x"), refusesWith: .requestMalformed)
            let other = "Content-Digest: sha-256=:\(Data(SHA256Hash.digest(of: [1]).bytes).base64EncodedString()):"
            try expect(await server.put(Self.upload, btf, other), refusesWith: .contentDigestMismatch)
            #expect(server.folder.names(in: "store/btf").isEmpty)
            #expect(server.folder.names(in: "store/staging").isEmpty)

            let own = "Content-Digest: sha-256=:\(Data(SHA256Hash.digest(of: btf).bytes).base64EncodedString()):"
            #expect(try await server.put(Self.upload, btf, own).status == 201)
            try expect(await server.put(Self.upload, SmallBTF.bytes(["y"])), refusesWith: .btfConflict)
            #expect(server.folder.names(in: "store/btf").count == 1)
            #expect(server.folder.names(in: "store/staging").isEmpty)
        }
    }

    /// As when many hosts boot the same new kernel.
    @Test func manyAtOnce() async throws {
        try await withRunningServer { server in
            let statuses = try await withThrowingTaskGroup(of: Int.self) { group in
                for _ in 1...8 { group.addTask { try await server.put(Self.upload, Self.btf).status } }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            #expect(statuses.sorted() == [Int](repeating: 200, count: 7) + [201])
            try await withThrowingTaskGroup(of: Bool.self) { group in
                for _ in 1...8 { group.addTask { try await server.get(Self.section).body == Self.btf } }
                for try await isSame in group { #expect(isSame) }
            }
        }
    }
}
