import FoundationEssentials
import HeaderStore
import KHeaderTestSupport
import KernelHeaders
import OperatorDocuments
import Synchronization
import Testing

/// `kheader kernels …` and `kheader coverage`, end to end.
@Suite struct KernelsCommandTests {
    private static let small = SmallKernel(release: "6.1.0-1-amd64", hasLargeFile: false)

    /// A server with a kernel with headers, and one that a host runs without.
    private func withFleet(_ body: (RunningServer) async throws -> Void) async throws {
        try await withRunningServer { server in
            try await PushedKernel(Self.small, id: "aa", in: server.folder).push(to: server)
            let host = try #require(HostID(bytes: [UInt8](repeating: 7, count: HostID.length)))
            let sighting = Sighting(
                host: host, bootID: "1", agent: "test/1",
                kernel: KernelIdentity(buildID: try #require(BuildID("bb")), release: "6.2.0-1-amd64"),
                steps: [CollectStep(.sysfs, .missing), CollectStep(.modulesFolder, .damaged, "three files\u{1B}[31m")],
                offers: [])
            _ = try await server.store.checkIn(sighting)
            try await body(server)
        }
    }

    private func json<Document: Decodable>(
        _ server: RunningServer, _ arguments: String...
    ) async throws -> Document {
        let result = try await run("kheader", arguments + ["--format", "json", "--server", server.url])
        try #require(result.status == 0, "\(result.errors)")
        return try JSONDecoder().decode(Document.self, from: Data(result.output))
    }

    @Test func filtersAndOrderAreOptions() async throws {
        try await withFleet { server in
            for (options, expected) in [
                ([], ["aa", "bb"]), (["--reverse"], ["bb", "aa"]), (["--headers"], ["aa"]), (["--no-headers"], ["bb"]),
                (["--running", "--no-headers", "--sort", "hosts"], ["bb"]), (["--glob", "6.1.*"], ["aa"]),
                (["--source", "push"], ["aa"]), (["--source", "import"], []), (["--pinned"], []),
                (["--no-pch"], ["aa", "bb"]),
                (["--distribution", "debian", "--limit", "1"], ["aa"]), (["--sort", "hosts", "--limit", "1"], ["bb"]),
                (["--seen-within", "1h"], ["aa", "bb"]), (["--seen-within", "2w"], ["aa", "bb"]),
                (["--release", "6.2.0-1-amd64"], ["bb"]),
                (["--build-id", "BB"], ["bb"]), (["--purged"], []), (["--no-conflicts", "--no-btf"], ["aa", "bb"]),
            ] as [([String], [String])] {
                let result = try await run(
                    "kheader", ["kernels", "list", "--format", "json", "--server", server.url] + options)
                let kernels = try JSONDecoder().decode([KernelEntry].self, from: Data(result.output))
                #expect(kernels.map { "\($0.identity.buildID)" } == expected, "\(options)")
            }
            let table = try await run("kheader", "kernels", "list", "--server", server.url).text.split(separator: "\n")
            #expect(table.count == 3 && table[2].hasPrefix("6.2.0-1-amd64  bb"))
            #expect(table[1].hasSuffix("Z  -"))
            let none = try await run("kheader", "kernels", "list", "--pinned", "--server", server.url)
            #expect(none.status == 0 && none.errors.contains("no kernel is like that"))
            for options in [
                ["--build-id", "aa", "--no-headers"], ["--build-id", "aa", "--seen-within", "1h"], ["--release", ""],
                ["--glob", ""], ["--distribution", ""], ["--architecture", ""], ["--headers", "--no-headers"],
                ["--sort", "size"], ["--source", "agrees"], ["--limit", "0"], ["--seen-within", "7"],
                ["--seen-within", "9999999999999999999d"],
            ] {
                #expect(try await run("kheader", ["kernels", "list"] + options).status == 2, "\(options)")
            }
        }
    }

    @Test func aKernelIsShownToPeopleAndPrograms() async throws {
        try await withFleet { server in
            let text = try await run("kheader", "kernels", "show", "aa", "--server", server.url).text
            for part in ["6.1.0-1-amd64", "from push", "/buildid/aa/headers.tar.zst", "debian"] {
                #expect(text.contains(part), "\(part)")
            }
            let missing = try await run("kheader", "kernels", "show", "bb", "--server", server.url).text
            #expect(missing.contains("1 host runs it") && missing.contains("three files?[31m"))
            let detail: KernelDetail = try await json(server, "kernels", "show", "bb")
            #expect(detail.reports.map(\.hosts) == [1])
            let unknown = try await run("kheader", "kernels", "show", "cc", "--server", server.url)
            #expect(unknown.status == 3 && unknown.errors.contains("(kernel-unknown)"))
            #expect(unknown.errors.contains("kernels' have 40 digits"))
            #expect(try await run("kheader", "kernels", "show", "xx").status == 2)
        }
    }

    @Test func aKernelIsPinnedUnpinnedAndDeleted() async throws {
        try await withFleet { server in
            let pin = try await run(
                "kheader", "kernels", "pin", "aa", "--reason", "golden image", "--server", server.url)
            #expect(pin.status == 0 && pin.output.isEmpty && pin.errors.contains("aa is pinned"))
            #expect(
                try await run("kheader", "kernels", "show", "aa", "--server", server.url).text.contains("golden image"))
            let refused = try await run("kheader", "kernels", "delete", "aa", "--server", server.url)
            #expect(refused.status == 4 && refused.errors.contains("(kernel-pinned)"))
            #expect(try await run("kheader", "kernels", "unpin", "aa", "--server", server.url).status == 0)
            let deleted = try await run(
                "kheader", "kernels", "delete", "aa", "bb", "cc", "dd", "--reason", "old", "--server", server.url)
            #expect(deleted.status == 3)
            for words in [
                "aa is deleted.\n", "bb is deleted. Hosts run it: 1.", "(kernel-unknown)", "dd is not deleted",
            ] {
                #expect(deleted.errors.contains(words), "\(words)")
            }
            #expect(try await run("kheader", "coverage", "--server", server.url).text.contains("deleted: old"))
            let notes = try await run("kheader", "kernels", "list", "--purged", "--server", server.url).text
            #expect(notes.hasSuffix("deleted\n"))
            let again = try await run("kheader", "kernels", "delete", "aa", "--server", server.url)
            #expect(again.status == 3 && again.errors.contains("(kernel-purged)"))
            for command in ["pin", "unpin"] {
                #expect(try await run("kheader", "kernels", command, "cc", "--server", server.url).status == 3)
            }
            let purged: [KernelEntry] = try await json(server, "kernels", "list", "--purged")
            #expect(purged.map(\.purge?.reason) == ["old", "old"])
        }
    }

    @Test func hostsConflictsAndCoverageAreListed() async throws {
        try await withFleet { server in
            let other = SmallKernel(release: "6.1.0-1-amd64", revision: 2, hasLargeFile: false)
            let folder = try server.folder.makeFolder("other")
            try other.write(to: folder)
            let push = try await run("kheader", "push", folder, "--build-id", "aa", "--server", server.url)
            #expect(push.status == 4)
            let hosts: [HostEntry] = try await json(server, "kernels", "hosts", "bb")
            #expect(hosts.map(\.agent) == ["test/1"])
            let table = try await run("kheader", "kernels", "hosts", "bb", "--server", server.url).text
            #expect(table.contains("07070707") && table.contains("sysfs missing, modules-folder damaged"))
            let digest = String(repeating: "0", count: 64)
            let none: [HostEntry] = try await json(server, "kernels", "hosts", "bb", "--digest", digest)
            #expect(none.isEmpty)
            #expect(try await run("kheader", "kernels", "hosts", "bb", "--digest", "x").status == 2)
            #expect(try await run("kheader", "kernels", "hosts", "cc", "--server", server.url).status == 3)
            for arguments in [[], ["aa"]] {
                let result = try await run(
                    "kheader", ["kernels", "conflicts", "--format", "json", "--server", server.url] + arguments)
                let conflicts = try JSONDecoder().decode([KernelConflict].self, from: Data(result.output))
                #expect(conflicts.map { $0.sides.map(\.isServed) } == [[true, false]])
                let table = try await run("kheader", ["kernels", "conflicts", "--server", server.url] + arguments).text
                #expect(table.split(separator: "\n").count == 3)
            }
            let calm: [KernelConflict] = try await json(server, "kernels", "conflicts", "bb")
            #expect(calm.isEmpty)
            let coverage: Coverage = try await json(server, "coverage", "--limit", "5")
            #expect(coverage.gaps.map { "\($0.kernel.identity.buildID)" } == ["bb"] && coverage.conflictCount == 1)
            let text = try await run("kheader", "coverage", "--server", server.url).text
            #expect(text.contains("headers, btf") && text.contains("sysfs missing, modules-folder damaged"))
            #expect(try await run("kheader", "coverage", "--limit", "0").status == 2)
        }
    }

    @Test func kernelsThatAreNotKeptAreRemoved() async throws {
        let clock = Mutex(1_800_000_000)
        try await withRunningServer(options: { $0.now = { clock.withLock { $0 } } }) { server in
            try await PushedKernel(Self.small, id: "aa", in: server.folder).push(to: server)
            clock.withLock { $0 += 30 * 86_400 }
            let prune = ["kernels", "prune", "--server", server.url, "--newest", "0"]
            let nothing = try await run("kheader", prune)
            #expect(nothing.status == 0 && nothing.errors.contains("0 kernels deleted"))
            let dry = try await run("kheader", prune + ["--dry-run", "--days", "29"])
            #expect(dry.text.contains("not reported for 30 days") && dry.errors.contains("1 kernel would be deleted"))
            let budget = try await run("kheader", prune + ["--dry-run", "--bytes", "1G", "--format", "json"])
            #expect(try JSONDecoder().decode(PruneReport.self, from: Data(budget.output)).bytes == 1_000_000_000)
            let json = try await run("kheader", prune + ["--days", "29", "--format", "json"])
            let report = try JSONDecoder().decode(PruneReport.self, from: Data(json.output))
            #expect(report.removals.map { "\($0.buildID)" } == ["aa"] && !report.isDryRun)
            let show = try await run("kheader", "kernels", "show", "aa", "--server", server.url)
            #expect(show.status == 3 && show.errors.contains("(kernel-purged)"))
            for options in [["--days", "0"], ["--newest", "-1"], ["--bytes", "0"], ["--bytes", "1X"]] {
                #expect(try await run("kheader", ["kernels", "prune"] + options).status == 2)
            }
        }
    }

    @Test func whoMayNotIsRefused() async throws {
        try await withTemporaryFolder { folder in
            let state = try folder.makeFolder("store")
            let client = try await run(
                "kheaderd", "token", "create", "--state", state, "--role", "client", "--label", "x")
            try folder.write(client.output, to: "token", mode: 0o600)
            try await withRunningServer(in: folder) { server in
                let options = ["--server", server.url, "--token-file", folder.path("token")]
                #expect(try await run("kheader", ["coverage"] + options).status == 0)
                for command in ["pin", "unpin", "delete"] {
                    let result = try await run("kheader", ["kernels", command, "aa"] + options)
                    #expect(result.status == 4 && result.errors.contains("(role-insufficient)"))
                }
            }
        }
    }
}
