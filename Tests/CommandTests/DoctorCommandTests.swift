import FoundationEssentials
import Glibc
import KHeaderTestSupport
import Testing

@Suite struct DoctorCommandTests {
    @Test func itSaysWhoHasTheHeadersAndWhatExecWouldChange() async throws {
        try await withRunningServer { server in
            let pushed = try PushedKernel(in: server.folder)
            try await pushed.push(to: server)
            let options = [
                "doctor", "--build-id", pushed.id, "--cache", server.folder.path("cache"), "--server", server.url,
                "--server", "unix:\(server.folder.path("none"))",
            ]
            let first = try await run("kheader", options)
            #expect(first.status == 0, "\(first.errors)")
            for words in [
                "\(server.url): has them, trust: push", "cache: not there yet", "(server-unreachable)",
                "BCC_KERNEL_SOURCE names the tree",
            ] {
                #expect(first.text.split(whereSeparator: \.isWhitespace).joined(separator: " ").contains(words))
            }
            // Looking changes nothing.
            #expect(!server.folder.names().contains("cache"))

            try #require(
                try await run(
                    "kheader", "path", "--build-id", pushed.id, "--cache", server.folder.path("cache"), "--server",
                    server.url
                ).status == 0)
            let second = try await run("kheader", options + ["--format", "json"])
            let report = try JSONDecoder().decode(Report.self, from: Data(second.output))
            #expect(report.cache.hasHeaders && report.servers.map(\.hasHeaders) == [true, false])
            #expect(report.verdicts.map(\.tool) == ["bcc", "bpftrace", "clang"])
            #expect(report.verdicts.allSatisfy { $0.withExec.isFound && !$0.now.isFound })
            let other = try await run(
                "kheader", "doctor", "--build-id", "dead", "--cache", server.folder.path("cache"), "--server",
                server.url)
            // Lines are as wide as the paths in them let them be.
            let words = other.text.split(whereSeparator: \.isWhitespace).joined(separator: " ")
            #expect(words.contains("does not have them, of 1 entry Servers"), "\(other.text)")
        }
    }

    private struct Report: Decodable {
        struct Place: Decodable { let hasHeaders: Bool }
        struct Verdict: Decodable {
            struct Answer: Decodable { let isFound: Bool }
            let tool: String
            let now, withExec: Answer
        }
        let cache: Place
        let servers: [Place]
        let verdicts: [Verdict]
    }

    @Test func withoutHeadersAnywhereItIsNotFound() async throws {
        try await withRunningServer { server in
            let result = try await run(
                "kheader", "doctor", "--build-id", "dead", "--cache", server.folder.path("cache"), "--server",
                server.url)
            #expect(result.status == 3)
            #expect(result.text.contains("with exec:  no"))
            #expect(result.errors.contains("(kernel-has-no-headers)"))
        }
    }

    /// Another user's folder, which root may read and this one may not.
    @Test(.enabled(if: geteuid() == 0, "only root can become another user"))
    func itWorksForOrdinaryUsers() async throws {
        try await withRunningServer { server in
            let folder = server.folder
            // The programs may lie where other users can't go.
            try ShellCommand("cp", BuiltProgram.path("kheader"), folder.path("kheader")).output()
            chmod(folder.path, 0o755)
            try folder.makeFolder("tree")
            chmod(folder.path("tree"), 0o700)
            let result = try await run(
                shell: """
                    BCC_KERNEL_SOURCE=$1/tree exec setpriv --reuid 65534 --regid 65534 --clear-groups \
                        "$1/kheader" doctor --build-id dead --cache "$1/cache" --server "$2"
                    """, folder.path, server.url)
            #expect(result.status == 3, "\(result.errors)")
            let words = result.text.split(whereSeparator: \.isWhitespace).joined(separator: " ")
            #expect(words.contains("/tree: not for this user to read"))
        }
    }
}
