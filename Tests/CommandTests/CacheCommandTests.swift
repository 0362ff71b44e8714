import FoundationEssentials
import Glibc
import HeaderArchive
import KHeaderTestSupport
import KernelHeaders
import Testing

@Suite struct CacheCommandTests {
    private struct Listed: Decodable {
        var buildID: String
        var artefact: String
        var state: String
        var path: String
        var release: String
        var place: String
        var trust: String
        var files: Int
        var bytes: Int
    }

    private static func cache(_ folder: TemporaryFolder, _ arguments: String...) async throws -> ShellCommand.Result {
        try await run("kheader", ["cache"] + arguments + ["--cache", folder.path("cache")])
    }

    private static func list(_ folder: TemporaryFolder) async throws -> [Listed] {
        let result = try await cache(folder, "list", "--format", "json")
        #expect(result.status == 0)
        return try JSONDecoder().decode([Listed].self, from: Data(result.output))
    }

    /// Two kernels' trees in the cache.
    private static func withTrees(_ body: (TemporaryFolder, [PushedKernel]) async throws -> Void) async throws {
        try await withRunningServer { server in
            var all: [PushedKernel] = []
            for (id, release) in [("aaaa", "6.1-one"), ("bbbb", "6.1-two")] {
                let kernel = SmallKernel(release: release, hasLargeFile: false)
                let pushed = try PushedKernel(kernel, id: id, in: server.folder)
                try await pushed.push(to: server)
                let result = try await run(
                    "kheader", "path", "--build-id", id, "--cache", server.folder.path("cache"), "--server", server.url)
                try #require(result.status == 0, "\(result.errors)")
                // Two days ago: older, and an addition to the cache would remove them.
                let used = timeval(tv_sec: time(nil) - 172_800 + all.count, tv_usec: 0)
                var times = [used, used]
                utimes(server.folder.path("cache/headers/\(id)/use"), &times)
                all.append(pushed)
            }
            try await body(server.folder, all)
        }
    }

    @Test func theListHasWhatIsKeptLeastRecentlyUsedFirst() async throws {
        try await Self.withTrees { folder, kernels in
            let listed = try await Self.list(folder)
            #expect(listed.map(\.buildID) == ["aaaa", "bbbb"] && listed.map(\.release) == ["6.1-one", "6.1-two"])
            for (entry, pushed) in zip(listed, kernels) {
                let manifest = try pushed.kernel.manifest
                #expect(entry.artefact == "headers" && entry.state == "checked" && entry.trust == "push")
                #expect(entry.path == folder.path("cache/headers/\(entry.buildID)/tree"))
                #expect(entry.files == manifest.fileCount && entry.bytes == manifest.contentBytes)
            }
            let table = try await Self.cache(folder, "list", "--build-id", "bbbb").text.split(separator: "\n")
            #expect(table.count == 2 && table[0].hasPrefix("BUILD ID") && table[1].hasPrefix("bbbb"))
        }
    }

    @Test func anEmptyCacheIsAnEmptyList() async throws {
        try await withTemporaryFolder { folder in
            let listed = try await Self.list(folder)
            #expect(listed.isEmpty)
            let verified = try await Self.cache(folder, "verify")
            #expect(verified.status == 0)
        }
    }

    @Test func verifyNamesWhatIsDamagedAndExitsWith1() async throws {
        try await Self.withTrees { folder, _ in
            let good = try await Self.cache(folder, "verify")
            #expect(good.status == 0 && !good.text.contains("damaged"))
            let victim = folder.path("cache/headers/aaaa/tree/include/generated/utsrelease.h")
            chmod(victim, 0o644)
            truncate(victim, 1)
            let bad = try await Self.cache(folder, "verify")
            #expect(bad.status == 1 && bad.errors.contains("(cache-damaged)"))
            let lines = bad.text.split(separator: "\n").map { $0.split(separator: " ").map(String.init) }
            #expect(lines.contains(["aaaa", "headers", "damaged"]) && lines.contains(["bbbb", "headers", "good"]))
            #expect(try await Self.list(folder).map(\.buildID) == ["bbbb"])
        }
    }

    @Test func cleanTakesWhatItIsTold() async throws {
        try await Self.withTrees { folder, _ in
            #expect(try await Self.cache(folder, "clean", "--max-size", "100").output.isEmpty)
            #expect(try await Self.cache(folder, "clean", "--all", "--build-id", "bbbb").text == "bbbb headers\n")
            let old = try await Self.cache(folder, "clean", "--older-than", "1")
            #expect(old.status == 0 && old.text == "aaaa headers\n" && old.errors.contains("1 removed"))
            #expect(folder.names(in: "cache/headers").isEmpty && folder.names(in: "cache/locks").isEmpty)
        }
    }

    @Test(arguments: [["--all", "--max-size", "1"], ["--older-than", "-1"], ["--max-size", "99999999999"]])
    func whatMakesNoSenseIsUsage(arguments: [String]) async throws {
        try await withTemporaryFolder { folder in
            let result = try await run("kheader", ["cache", "clean", "--cache", folder.path("cache")] + arguments)
            #expect(result.status == 2 && result.output.isEmpty)
            #expect(folder.names().isEmpty)
        }
    }
}
