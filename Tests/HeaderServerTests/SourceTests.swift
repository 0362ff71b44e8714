import FoundationEssentials
import HeaderArchive
import KHeaderTestSupport
import KernelHeaders
import Testing

/// The manifest, and single files of a tree.
@Suite struct SourceTests {
    private static let source = "/buildid/\(TestKernels.id)/source"

    @Test func theManifestListsTheTree() async throws {
        try await withRunningServer { server in
            let receipt = try await server.upload()
            let answer = try await server.get("/buildid/\(TestKernels.id)/manifest.json")
            #expect(answer.status == 200)
            #expect(answer["Content-Type"] == "application/json")
            #expect(answer["ETag"] == "\"\(answer.digest)\"")
            #expect(answer["Repr-Digest"] == "sha-256=:\(Data(answer.digest.bytes).base64EncodedString()):")
            let document: ManifestDocument = try answer.decoded()
            #expect(document.version == 1)
            #expect(document.treeDigest == receipt.treeDigest)
            #expect((document.files, document.bytes) == (receipt.files, receipt.bytes))
            let manifest = try #require(document.manifest)
            let uploaded = try TestKernels.kernel.manifest
            #expect(manifest == uploaded)
            // As a client computes it, from the list alone.
            #expect(SHA256Hash.digest(of: manifest.canonicalBytes) == receipt.treeDigest)
        }
    }

    @Test func everyFileIsServed() async throws {
        try await withRunningServer { server in
            try await server.upload()
            for (path, contents) in TestKernels.kernel.entries {
                let answer = try await server.get("\(Self.source)/\(path)")
                #expect(answer.status == 200)
                let expected: [UInt8]? =
                    switch contents {
                    case .file(let bytes, _): bytes
                    case .link: TestKernels.kernel.contents("include/uapi/linux/input-event-codes.h")
                    }
                #expect(answer.body == expected, "\(path)")
                #expect(answer["ETag"] == "\"\(answer.digest)\"")
                #expect(answer["Content-Type"] == "application/octet-stream")
            }
        }
    }

    /// Names as few trees have them, percent-encoded as clients do.
    @Test func namesThatHaveToBeEncoded() async throws {
        let names = [
            "a b.h", "é.h", "100%.h", "50%25.h", "x#y?z.h", "a+b.h", "a&b=c;d.h", "[x].h", "~.h", "\u{301}.h", "\"'.h",
        ]
        let tar = TestKernels.tar { forge in for name in names { forge.addFile("include/\(name)", "of \(name)") } }
        try await withRunningServer { server in
            try await server.upload(tar)
            for name in names {
                let encoded = APIPath.query([("", name)]).dropFirst(2)
                for path in [
                    "include/\(encoded)", "include%2F\(encoded)", "%69nclude/\(encoded)", "include//\(encoded)",
                ] {
                    let answer = try await server.get("\(Self.source)/\(path)")
                    #expect(answer.status == 200, "\(path)")
                    #expect(answer.text == "of \(name)")
                }
            }
            // What needs no encoding may come without.
            #expect(try await server.get("\(Self.source)/include/a+b.h?x#y").text == "of a+b.h")
        }
    }

    @Test func linksAreFollowed() async throws {
        let tar = TestKernels.tar { forge in
            forge.addLink("include/one.h", to: "linux/kconfig.h")
            forge.addLink("include/two.h", to: "one.h")
            forge.addLink("include/folder", to: "linux")
            forge.addLink("include/dangling.h", to: "none.h")
            forge.addLink("include/a.h", to: "b.h")
            forge.addLink("include/b.h", to: "a.h")
        }
        try await withRunningServer { server in
            try await server.upload(tar)
            let file = try await server.get("\(Self.source)/include/linux/kconfig.h")
            for name in ["one.h", "two.h"] {
                let answer = try await server.get("\(Self.source)/include/\(name)")
                #expect(answer.body == file.body)
                #expect(answer["ETag"] == file["ETag"])
            }
            for name in ["folder", "dangling.h", "a.h", "b.h"] {
                try expect(await server.get("\(Self.source)/include/\(name)"), refusesWith: .fileUnknown)
            }
        }
    }

    @Test func whatIsNotThere() async throws {
        try await withRunningServer { server in
            let digest = try await server.upload(TestKernels.tar()).treeDigest
            for path in [
                "include/none.h", "include", "include/linux", "include/linux/kconfig.h/x", "INCLUDE/linux/kconfig.h",
                "linux/kconfig.h", "include/linux/kconfig.h%20", "include/linux/kconfig",
            ] {
                try expect(await server.get("\(Self.source)/\(path)"), refusesWith: .fileUnknown)
                try expect(await server.get("/trees/\(digest)/source/\(path)"), refusesWith: .fileUnknown)
            }
        }
    }

    /// As debuginfod's clients send them, and resolves them: as text, and never above the tree.
    @Test func pathsAreResolved() async throws {
        try await withRunningServer { server in
            try await server.upload(query: "?release=6.1.0-99-amd64")
            for path in [
                "/include/linux/sched.h", "%2Finclude/linux/sched.h", "%2Finclude%2Flinux%2Fsched.h",
                "include/./linux//sched.h", "include/none/../linux/sched.h", "include%2Fnone%2F%2E%2E/linux/sched.h",
                "../include/linux/sched.h", "..%2F..%2Finclude/linux/sched.h", "/..//include/../include/linux/sched.h",
                "/lib/modules/6.1.0-99-amd64/build/include/linux/sched.h",
                "/usr/lib/modules/6.1.0-99-amd64/source/include/linux/sched.h",
                "/usr/src/linux-headers-6.1.0-99-common/include/linux/sched.h",
                "/usr/src/linux-headers-6.1.0-99-amd64/scripts/../include/linux/sched.h",
            ] {
                let answer = try await server.get("\(Self.source)/\(path)")
                #expect(answer.status == 200, "\(path)")
                #expect(answer.body == TestKernels.kernel.contents("include/linux/sched.h"))
                #expect(answer[APIField.debuginfodFile] == "sched.h")
            }
        }
    }

    @Test func pathsThatLeadElsewhereFindNothing() async throws {
        try await withRunningServer { server in
            try await server.upload(TestKernels.tar())
            for path in [
                "../x", "%2E%2e/x", "..%2Fx", "include%2F..%2F..%2Fetc%2Fpasswd", "%2Fetc/passwd",
                "%2e%2e%2f%2e%2e%2fetc%2fpasswd", "..%2f..%2f..%2fcatalogue.sqlite", "/lib/modules/6.1/build",
                "/lib/modules/6.1/include/linux/kconfig.h", "/usr/src/linux-headers-6.1",
                "/usr/src/linux/include/linux/kconfig.h", "/usr/include/linux/kconfig.h",
                "/lib/modules/6.1/build/lib/modules/6.1/build/include/linux/kconfig.h",
            ] {
                try expect(await server.get("\(Self.source)/\(path)"), refusesWith: .fileUnknown)
            }
        }
    }

    @Test func whatIsNoPath() async throws {
        try await withRunningServer { server in
            try await server.upload(TestKernels.tar())
            let long = (1...260).map { "d\($0)" }.joined(separator: "/")
            for path in [
                "..", "../..", "include/..", "%2e%2e", "%2F", "include%2F..%2F..", ".", "%2e", "%00",
                "include/linux/kconfig.h%00", "include/%", "include/%4", "include/%zz", "include/%FF.h",
                "%C0%AE%C0%AE/x",
                String(repeating: "d/", count: 33), String(repeating: "x", count: 256), long,
            ] {
                let answer = try await server.get("\(Self.source)/\(path)")
                try expect(answer, refusesWith: .pathMalformed)
            }
        }
    }
}
