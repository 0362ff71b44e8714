import KHeaderTestSupport
import KernelHeaders
import Testing

/// Requests that depend on what the client has (RFC 9110, 13).
@Suite struct ConditionalRequestTests {
    /// Runs a body with a server and, for each kind of file, its path and whole answer.
    private func withFiles(_ body: (RunningServer, String, HTTPAnswer) async throws -> Void) async throws {
        try await withRunningServer { server in
            let digest = try await server.upload().treeDigest
            for path in [
                "/buildid/\(TestKernels.id)/headers.tar.gz", "/trees/\(digest)/headers.tar",
                "/buildid/\(TestKernels.id)/manifest.json", "/trees/\(digest)/source/include/linux/sched.h",
            ] {
                try await body(server, path, try await server.get(path))
            }
        }
    }

    private static let other = "\"\(String(repeating: "0", count: 64))\""

    @Test func whoHasItGetsItNotAgain() async throws {
        try await withFiles { server, path, whole in
            let tag = try #require(whole["ETag"])
            for field in [
                tag, "W/\(tag)", "*", " * ", "\(Self.other), \(tag)", "\(Self.other),W/\(tag)", "\"a,b\", \(tag)",
            ] {
                for method in ["GET", "HEAD"] {
                    let answer = try await server.request(method, path, ["If-None-Match: \(field)"])
                    #expect(answer.status == 304, "\(field)")
                    #expect(answer.body.isEmpty)
                    for name in ["ETag", "Cache-Control", "Repr-Digest"] { #expect(answer[name] == whole[name]) }
                    // It would be the 200's length, or must not be there.
                    #expect(answer["Content-Length"] == nil)
                    #expect(answer["Content-Type"] == nil)
                }
            }
            // Twice the same field is one list.
            let twice = try await server.get(path, "If-None-Match: \(Self.other)", "If-None-Match: \(tag)")
            #expect(twice.status == 304)
        }
    }

    @Test func whoHasAnotherGetsIt() async throws {
        try await withFiles { server, path, whole in
            let tag = try #require(whole["ETag"])
            for field in [
                Self.other, "W/\(Self.other)", "\"\(Self.other), *\"", "\"*\"", "\"a, * ,b\"", tag.uppercased(),
                String(tag.dropFirst().dropLast()), String(tag.dropLast()), "", "\"\"",
            ] {
                let answer = try await server.get(path, "If-None-Match: \(field)")
                #expect(answer.status == 200, "\(field)")
                #expect(answer.body == whole.body)
            }
        }
    }

    @Test func a304NeedsNoRange() async throws {
        try await withFiles { server, path, whole in
            let tag = try #require(whole["ETag"])
            let answer = try await server.get(path, "If-None-Match: \(tag)", "Range: bytes=0-9")
            #expect(answer.status == 304)
        }
    }

    @Test func whoInsistsOnAnotherIsRefused() async throws {
        try await withFiles { server, path, whole in
            let tag = try #require(whole["ETag"])
            for field in [Self.other, "W/\(tag)", "\"*\"", ""] {
                let answer = try await server.get(path, "If-Match: \(field)")
                try expect(answer, refusesWith: .preconditionFailed)
                #expect(answer.text.contains(tag.dropFirst().dropLast()))
                let head = try await server.head(path, "If-Match: \(field)")
                #expect(head.status == 412)
            }
            for field in [tag, "*", "\(Self.other), \(tag)"] {
                let answer = try await server.get(path, "If-Match: \(field)")
                #expect(answer.status == 200)
                #expect(answer.body == whole.body)
            }
        }
    }

    @Test func aRangeOfWhatTheClientHas() async throws {
        try await withFiles { server, path, whole in
            let tag = try #require(whole["ETag"])
            let same = try await server.get(path, "Range: bytes=5-9", "If-Range: \(tag)")
            #expect(same.status == 206)
            #expect(same.body == Array(whole.body[5..<10]))
            for field in [
                Self.other, "W/\(tag)", "*", "Sun, 22 Nov 2026 21:46:28 GMT", "Sat, 01 Jan 2000 00:00:00 GMT", "", "x",
            ] {
                let answer = try await server.get(path, "Range: bytes=5-9", "If-Range: \(field)")
                #expect(answer.status == 200, "\(field)")
                #expect(answer.body == whole.body)
            }
            // Also of a range that is not there: the client gets what it can use.
            let beyond = try await server.get(path, "Range: bytes=9999999-", "If-Range: \(Self.other)")
            #expect(beyond.status == 200)
            let nothing = try await server.get(path, "If-Range: \(Self.other)")
            #expect(nothing.status == 200)
        }
    }
}
