import Glibc
import HeaderArchive
import KHeaderTestSupport
import KernelHeaders
import Testing

@Suite struct PathCommandTests {
    /// The tree of a folder, as the product reads folders.
    private static func tree(_ folder: String) throws -> TreeManifest {
        try HeaderFolder(source: folder).read(ManifestOnly())
    }

    private static func path(
        _ pushed: PushedKernel, _ server: String, in folder: TemporaryFolder, _ more: String...
    ) async throws -> ShellCommand.Result {
        try await run(
            "kheader",
            ["path", "--build-id", pushed.id, "--cache", folder.path("cache"), "--server", server] + more)
    }

    @Test func theHeadersAreFetchedAndTheirFolderIsPrinted() async throws {
        try await withRunningServer { server in
            let pushed = try PushedKernel(in: server.folder)
            try await pushed.push(to: server)
            let result = try await Self.path(pushed, server.url, in: server.folder)
            #expect(result.status == 0, "\(result.errors)")
            #expect(result.text == server.folder.path("cache/headers/\(pushed.id)/tree\n"))
            #expect(result.errors.isEmpty)
            #expect(try Self.tree(String(result.text.dropLast())) == pushed.kernel.manifest)
        }
    }

    @Test func aReleaseWillDoIfOneKernelHasIt() async throws {
        try await withRunningServer { server in
            for (id, revision) in [("aaaa", 1), ("bbbb", 2)] {
                let kernel = SmallKernel(release: "6.1-same", revision: revision, hasLargeFile: false)
                try await PushedKernel(kernel, id: id, in: server.folder).push(to: server)
            }
            let other = SmallKernel(release: "6.1-other", hasLargeFile: false)
            try await PushedKernel(other, id: "cccc", in: server.folder).push(to: server)
            func path(_ release: String) async throws -> ShellCommand.Result {
                try await run(
                    "kheader", "path", "--release", release, "--cache", server.folder.path("cache"), "--server",
                    server.url)
            }
            let found = try await path("6.1-other")
            #expect(found.text == server.folder.path("cache/headers/cccc/tree\n"))
            let ambiguous = try await path("6.1-same")
            #expect(ambiguous.status == 1 && ambiguous.output.isEmpty)
            #expect(ambiguous.errors.contains("--build-id aaaa") && ambiguous.errors.contains("--build-id bbbb"))
            #expect(ambiguous.errors.contains("(release-ambiguous)"))
            let unknown = try await path("6.1")
            #expect(unknown.status == 3 && unknown.errors.contains("(release-unknown)"))
        }
    }

    @Test func aCacheThatOthersCanWriteToIsNotUsed() async throws {
        try await withRunningServer { server in
            let pushed = try PushedKernel(in: server.folder)
            try await pushed.push(to: server)
            try server.folder.makeFolder("cache")
            chmod(server.folder.path("cache"), 0o777)
            let result = try await Self.path(pushed, server.url, in: server.folder)
            #expect(result.status == 1 && result.errors.contains("(cache-unsafe)"))
            #expect(server.folder.names(in: "cache").isEmpty)
        }
    }

    /// Whatever the umask, nobody else may write to what is made.
    @Test func theCacheIsNobodyElsesWhateverTheUmask() async throws {
        try await withRunningServer { server in
            let pushed = try PushedKernel(in: server.folder)
            try await pushed.push(to: server)
            let script = """
                umask 0
                "$1" path --build-id \(pushed.id) --cache "$2" --server \(server.url) || exit
                find "$2" ! -type l -perm /022
                """
            let result = try await run(
                shell: script, BuiltProgram.path("kheader"), server.folder.path("new/cache"))
            #expect(result.status == 0)
            #expect(result.text == server.folder.path("new/cache/headers/\(pushed.id)/tree\n"))
        }
    }

    // MARK: Several at once, and killed ones

    @Test func fiftyProcessesDownloadOnce() async throws {
        try await withRunningServer { server in
            let pushed = try PushedKernel(in: server.folder)
            try await pushed.push(to: server)
            let script = """
                for i in $(seq 50); do
                    "$1" path --build-id \(pushed.id) --cache "$2" --server \(server.url) &
                    jobs="$jobs $!"
                done
                for job in $jobs; do wait "$job" || exit; done
                """
            let result = try await run(
                shell: script, BuiltProgram.path("kheader"), server.folder.path("cache"))
            #expect(result.status == 0, "\(result.errors)")
            let path = server.folder.path("cache/headers/\(pushed.id)/tree")
            #expect(result.text.split(separator: "\n").count { $0 == path } == 50)
            #expect(try Self.tree(path) == pushed.kernel.manifest)
            let requests = try await server.get("/metrics").text.split(separator: "\n")
            #expect(requests.contains("http_requests_total{type=\"headers\"} 1"))
        }
    }

    /// Wherever SIGKILL falls, the tree is there whole or not at all, and the next process finds its way.
    @Test func killedAtRandomItLeavesNothingHalf() async throws {
        try await withRunningServer { server in
            let pushed = try PushedKernel(in: server.folder)
            try await pushed.push(to: server)
            // Milliseconds within which half of the processes end by themselves, wherever this machine's speed puts it.
            var limit = 100.0
            var generator = SeededGenerator(seed: 5)
            var killed = 0
            let path = server.folder.path("cache/headers/\(pushed.id)/tree")
            for round in 0..<200 {
                try ShellCommand("rm", "-rf", server.folder.path("cache/headers/\(pushed.id)")).output()
                let delay = Int.random(in: 1...Int(limit), using: &generator)
                let result = try await run(
                    shell: """
                        timeout --signal=KILL \(delay / 1000).\("\(1000 + delay % 1000)".dropFirst()) \
                            "$1" path --build-id \(pushed.id) --cache "$2" --server \(server.url)
                        """, BuiltProgram.path("kheader"), server.folder.path("cache"))
                if result.status == 0 {
                    limit = max(10, limit * 0.95)
                } else {
                    limit *= 1.05
                    killed += 1
                    #expect(result.status == 137, "round \(round): \(result.errors)")
                }
                guard access(path, F_OK) == 0 else { continue }
                #expect(try Self.tree(path) == pushed.kernel.manifest, "round \(round)")
            }
            #expect((50...190).contains(killed), "\(killed) of 200 were killed, which proves little")
            let last = try await Self.path(pushed, server.url, in: server.folder)
            #expect(last.status == 0 && last.text == path + "\n")
            #expect(try Self.tree(path) == pushed.kernel.manifest)
            #expect(server.folder.names(in: "cache/headers") == [pushed.id])
        }
    }

    // MARK: What goes wrong

    @Test func aDamagedTreeIsFoundAndFetchedAgain() async throws {
        try await withRunningServer { server in
            let pushed = try PushedKernel(in: server.folder)
            try await pushed.push(to: server)
            let path = String(try await Self.path(pushed, server.url, in: server.folder).text.dropLast())
            let victim = "\(path)/include/generated"
            chmod(victim, 0o755)
            unlink("\(victim)/utsrelease.h")
            let result = try await Self.path(pushed, server.url, in: server.folder)
            #expect(result.status == 0 && result.errors.contains("was damaged"))
            #expect(try Self.tree(path) == pushed.kernel.manifest)
            // What was changed in a file is seen by what starts a tool.
            chmod("\(victim)/utsrelease.h", 0o644)
            try TemporaryFolder.write(Array("#define UTS_RELEASE \"evil\"\n".utf8), to: "\(victim)/utsrelease.h")
            let flags = try await run(
                "kheader", "flags", "--for", "clang", "--build-id", pushed.id, "--cache", server.folder.path("cache"),
                "--server", server.url)
            #expect(flags.status == 0 && flags.errors.contains("was damaged"))
            #expect(try Self.tree(path) == pushed.kernel.manifest)
            // With nobody to fetch it from, a damaged tree is none.
            chmod(victim, 0o755)
            unlink("\(victim)/utsrelease.h")
            let offline = try await Self.path(pushed, "unix:/nonexistent", in: server.folder, "--only", "cache")
            #expect(offline.status == 3 && offline.output.isEmpty && offline.errors.contains("(headers-not-found)"))
        }
    }

    /// Whether a process may mount what only it sees.
    private static let canMount = (try? ShellCommand("unshare", "--mount", "true").run().status) == 0

    @Test(.enabled(if: canMount, "takes the right to mount")) func aFullDiskIsSaidAndLeavesNothing() async throws {
        try await withRunningServer { server in
            let pushed = try PushedKernel(in: server.folder)
            try await pushed.push(to: server)
            let result = try await run(
                shell: """
                    mkdir "$2" && exec unshare --mount --propagation private sh -c '
                    mount -t tmpfs -o size=64k,mode=0755 tmpfs "$2"
                    "$1" path --build-id \(pushed.id) --cache "$2" --server \(server.url); status=$?
                    find "$2" -mindepth 2 ! -path "*/locks/*" >&2
                    exit $status' sh "$1" "$2"
                    """, BuiltProgram.path("kheader"), server.folder.path("cache"))
            #expect(result.status == 1 && result.output.isEmpty)
            #expect(result.errors.contains("(cache-full)"))
            #expect(result.errors.split(separator: "\n").count == 1, "\(result.errors)")
        }
    }

    @Test(.enabled(if: canMount, "takes the right to mount")) func aReadOnlyCacheServesWhatItHas() async throws {
        try await withRunningServer { server in
            let pushed = try PushedKernel(in: server.folder)
            try await pushed.push(to: server)
            try #require(try await Self.path(pushed, server.url, in: server.folder).status == 0)
            func readOnly(_ id: String) async throws -> ShellCommand.Result {
                try await run(
                    shell: """
                        exec unshare --mount --propagation private sh -c '
                        mount --bind "$2" "$2" && mount -o remount,bind,ro "$2"
                        exec "$1" path --build-id \(id) --cache "$2" --server \(server.url)' sh "$1" "$2"
                        """, BuiltProgram.path("kheader"), server.folder.path("cache"))
            }
            let known = try await readOnly(pushed.id)
            #expect(known.status == 0 && known.text == server.folder.path("cache/headers/\(pushed.id)/tree\n"))
            let unknown = try await readOnly("ffff")
            #expect(unknown.status == 1 && unknown.errors.contains("(cache-unwritable)"))
        }
    }
}
