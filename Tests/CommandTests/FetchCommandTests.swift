import HeaderArchive
import KHeaderTestSupport
import KernelHeaders
import Testing

@Suite struct FetchCommandTests {
    @Test func aPushedFolderComesBackAsItWas() async throws {
        try await withRunningServer { server in
            let pushed = try PushedKernel(in: server.folder)
            let digest = try await pushed.push(to: server)
            let result = try await run(
                "kheader", "fetch", "--build-id", pushed.id, "--to", server.folder.path("fetched"), "--server",
                server.url)
            #expect(result.status == 0)
            #expect(result.text == server.folder.path("fetched") + "\n")
            #expect(try ShellCommand("diff", "-r", pushed.folder, server.folder.path("fetched")).run().status == 0)
            let found = try HeaderFolder(source: server.folder.path("fetched")).read(ManifestOnly())
            #expect(found.digest.description == digest)
            #expect(found.digest == (try pushed.kernel.manifest.digest))
        }
    }

    /// Nobody but a person at a terminal wants a bar.
    @Test func nothingMovesInAPipe() async throws {
        try await withRunningServer { server in
            let pushed = try PushedKernel(in: server.folder)
            try await pushed.push(to: server)
            let result = try await run(
                "kheader", "fetch", "--build-id", pushed.id, "--to", server.folder.path("fetched"), "--server",
                server.url)
            #expect(!result.errors.contains("\r") && !result.errors.contains("\u{1B}"))
            #expect(result.errors.split(separator: "\n").count == 1)
        }
    }

    @Test func upperCaseIsTakenFromPeople() async throws {
        try await withRunningServer { server in
            let pushed = try PushedKernel(id: "00ff", in: server.folder)
            try await pushed.push(to: server)
            let result = try await run(
                "kheader", "fetch", "--build-id", "00FF", "--to", server.folder.path("fetched"), "--server", server.url)
            #expect(result.status == 0)
        }
    }

    @Test func anUnknownKernelIsNotFoundAndLeavesNothing() async throws {
        try await withRunningServer { server in
            let result = try await run(
                "kheader", "fetch", "--build-id", "dead", "--to", server.folder.path("fetched"), "--server", server.url)
            #expect(result.status == 3)
            #expect(result.output.isEmpty)
            #expect(result.errors.contains("(kernel-unknown)"))
            #expect(server.folder.names() == ["store"])
        }
    }

    @Test func aFolderWithSomethingInItIsNotTouched() async throws {
        try await withRunningServer { server in
            let pushed = try PushedKernel(in: server.folder)
            try await pushed.push(to: server)
            try server.folder.write("mine".utf8, to: "fetched/notes")
            let result = try await run(
                "kheader", "fetch", "--build-id", pushed.id, "--to", server.folder.path("fetched"), "--server",
                server.url)
            #expect(result.status == 1)
            #expect(server.folder.names(in: "fetched") == ["notes"])
        }
    }

    @Test func anEmptyFolderIsFilled() async throws {
        try await withRunningServer { server in
            let pushed = try PushedKernel(in: server.folder)
            try await pushed.push(to: server)
            try server.folder.makeFolder("fetched")
            let result = try await run(
                "kheader", "fetch", "--build-id", pushed.id, "--to", server.folder.path("fetched"), "--server",
                server.url)
            #expect(result.status == 0)
            #expect(server.folder.names(in: "fetched") == ["arch", "include"])
        }
    }

    /// A pack with a flipped bit must not become a tree, and a half tree must not stay.
    @Test func aDamagedStoreGivesNoTree() async throws {
        try await withRunningServer { server in
            let pushed = try PushedKernel(in: server.folder)
            try await pushed.push(to: server)
            let pack = try #require(server.folder.names(in: "store/packs").first)
            var bytes = try server.folder.read("store/packs/\(pack)")
            bytes[100] ^= 1
            try server.folder.write(bytes, to: "store/packs/\(pack)")
            let result = try await run(
                "kheader", "fetch", "--build-id", pushed.id, "--to", server.folder.path("fetched"), "--server",
                server.url)
            #expect(result.status == 4)
            #expect(result.errors.contains("(store-damaged)"))
            #expect(!server.folder.names().contains { $0.contains("fetched") })
        }
    }

    @Test func aServerThatIsAwayIsUnreachable() async throws {
        try await withTemporaryFolder { folder in
            let result = try await run(
                "kheader", "fetch", "--build-id", "aa", "--to", folder.path("fetched"), "--server",
                "unix:\(folder.path("none"))")
            #expect(result.status == 5)
            #expect(folder.names().isEmpty)
        }
    }

    @Test func theSecondServerAnswersWhenTheFirstIsAway() async throws {
        try await withRunningServer { server in
            let pushed = try PushedKernel(in: server.folder)
            try await pushed.push(to: server)
            let result = try await run(
                "kheader", "fetch", "--build-id", pushed.id, "--to", server.folder.path("fetched"),
                "--server", "unix:\(server.folder.path("none"))", "--server", server.url)
            #expect(result.status == 0)
        }
    }
}
