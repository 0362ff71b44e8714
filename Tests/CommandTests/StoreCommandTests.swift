import FoundationEssentials
import Glibc
import HeaderArchive
import HeaderStore
import KHeaderTestSupport
import KernelHeaders
import OperatorDocuments
import Testing

/// `kheader store verify`, `collect`, `repack`, `export` and `import`.
@Suite struct StoreCommandTests {
    private let first: StoredKernel
    private let second: StoredKernel

    init() throws {
        first = try StoredKernel(id: 1, revision: 1)
        second = try StoredKernel(id: 2, revision: 2)
    }

    private func store(_ server: RunningServer, _ arguments: String...) async throws -> ShellCommand.Result {
        try await run("kheader", ["store"] + arguments + ["--server", server.url])
    }

    // MARK: Upkeep

    @Test func aVerifySaysByItsExitCodeWhetherThereIsDamage() async throws {
        try await withRunningServer { server in
            try await server.store.put(first)
            let good = try await store(server, "verify")
            #expect(good.status == 0 && good.output.isEmpty && good.errors.contains("1 files"), "\(good.errors)")
            let state = server.folder.path("store")
            let name = try #require(try FolderListing.names(in: "\(state)/packs").first)
            var bytes = try FileSource(path: "\(state)/packs/\(name)").readAll()
            bytes[20] ^= 1
            try TemporaryFolder.write(bytes, to: "\(state)/packs/\(name)")
            let bad = try await store(server, "verify")
            #expect(bad.status == 1 && bad.text.contains(name) && bad.text.contains("\(first.id)"))
            #expect(bad.errors.contains("(store-damaged)"))
            let status = try await store(server, "status")
            #expect(
                status.text.contains("damaged kernels")
                    && status.text.contains("1 damaged, see kheader store verify --last"))
            let json = try await store(server, "verify", "--format", "json")
            #expect(json.status == 0)
            #expect(try JSONDecoder().decode(StoreVerification.self, from: Data(json.output)).found == 0)
            // The findings are still to be had, and the kernel that lacks something.
            let last = try await store(server, "verify", "--last")
            #expect(last.status == 1 && last.text.contains(name) && last.text.contains("Lost of it"), "\(last.errors)")
            #expect(last.errors.contains("kheader kernels list --damaged (store-damaged)"))
            #expect(
                try await store(server, "status").text.contains("; round 2 found 1, see kheader store verify --last"))
            let list = try await run("kheader", "kernels", "list", "--damaged", "--server", server.url)
            #expect(list.text.contains("\(first.id)") && list.text.contains("damaged: headers"))
            let show = try await run("kheader", "kernels", "show", "\(first.id)", "--server", server.url)
            #expect(show.text.contains("the contents of") && show.text.contains("include/linux/"))
            let archive = try server.folder.write(first.archive, to: "first.tar")
            let push = try await run(
                "kheader", "push", archive, "--build-id", "\(first.id)", "--server", server.url)
            #expect(push.status == 0 && push.text.hasSuffix(" healed\n"), "\(push.text)")
            #expect(push.errors.contains("Damage had taken"))
            try await server.store.requireWhole(first)
            let healed = try await store(server, "verify", "--last")
            #expect(healed.status == 0 && healed.text.contains(name) && healed.errors.contains("round 2, begun"))
            let none = try await run("kheader", "kernels", "list", "--damaged", "--server", server.url)
            #expect(!none.text.contains("\(first.id)"))
        }
    }

    @Test func aCollectIsShownAndDone() async throws {
        try await withRunningServer { server in
            try await server.store.put(first)
            let dry = try await store(server, "collect", "--dry-run", "--format", "json")
            #expect(try JSONDecoder().decode(StoreCollection.self, from: Data(dry.output)).isDryRun)
            let done = try await store(server, "collect")
            #expect(done.status == 0 && done.text.hasPrefix("GONE"))
            let status = try await store(server, "status")
            #expect(status.text.contains("collect: ended") && status.text.contains("verify: not done yet"))
        }
    }

    @Test func aRepackIsBegunOrWaitedFor() async throws {
        let large = try StoredKernel(id: 1, large: 1)
        try await withRunningServer { server in
            try await server.store.put(large)
            #expect(try await store(server, "status").text.contains("repack: not done yet"))
            let done = try await store(server, "repack", "--wait")
            #expect(done.status == 0 && done.text.hasPrefix("repack: ended "), "\(done.errors)")
            #expect(done.text.hasSuffix(" less in 1 of 1 packs\n"), "\(done.text)")
            let begun = try await store(server, "repack", "--format", "json")
            let document = try JSONDecoder().decode(StoreRepacking.self, from: Data(begun.output))
            #expect(begun.status == 0 && document.run == 2 && document.state == .running)
            let words = try await store(server, "repack").text
            #expect(words == "repack: begun; kheader store status tells how it stands\n", "\(words)")
            let status = try await store(server, "status").text
            let loose = status.split(separator: "\n").first { $0.hasPrefix("packs to repack ") }
            #expect(loose?.contains(" 0 ") == true && status.contains("repack: "), "\(status)")
            try await server.store.requireWhole(large)
        }
    }

    @Test func aRepackThatEndsEarlyFails() async throws {
        try await withRunningServer { server in
            try await server.store.put(try StoredKernel(id: 1, large: 1))
            let state = server.folder.path("store")
            let name = try #require(try FolderListing.names(in: "\(state)/packs").first)
            var bytes = try FileSource(path: "\(state)/packs/\(name)").readAll()
            bytes[20] ^= 1
            try TemporaryFolder.write(bytes, to: "\(state)/packs/\(name)")
            let result = try await store(server, "repack", "--wait")
            #expect(result.status == 1 && result.text.hasPrefix("repack: ended early"), "\(result.text)")
            #expect(result.errors.contains("kheader store verify (store-damaged)"), "\(result.errors)")
        }
    }

    // MARK: Export and import

    /// An export of both kernels, the first one's BTF in it.
    private func withExport(
        _ body: (_ file: String, _ folder: TemporaryFolder, _ server: RunningServer) async throws -> Void
    ) async throws {
        try await withRunningServer { server in
            try await server.store.put(first, source: .import)
            try await server.store.put(
                second.archive, as: KernelIdentity(buildID: second.id, release: "6.1.0-2"), source: .agent)
            try await server.store.put(btf: SmallBTF.bytes(), of: first.id)
            let file = server.folder.path("kernels.khx")
            let result = try await store(server, "export", "--all", "--output", file)
            try #require(result.status == 0, "\(result.errors)")
            #expect(result.text == "\(file)\n")
            try await body(file, server.folder, server)
        }
    }

    @Test func whatIsExportedIsImportedAsItWas() async throws {
        try await withExport { file, folder, server in
            try await withRunningServer { other in
                let result = try await store(other, "import", file)
                #expect(result.status == 0, "\(result.errors)")
                #expect(
                    result.text.split(separator: "\n").map { $0.split(separator: " ").last } == [
                        "created", "created", "created",
                    ])
                for kernel in [first, second] { try await other.store.requireWhole(kernel) }
                #expect(try await other.store.kernel(first.id).source == .import)
                #expect(try await other.store.kernel(second.id).source == .agent)
                #expect(try await other.store.kernel(second.id).identity.release == "6.1.0-2")
                #expect(try await other.store.btf(of: first.id)?.bytes == SmallBTF.bytes())
                // The same kernels, the same bytes, whichever server has them.
                let again = folder.path("again.khx")
                #expect(try await store(other, "export", "--all", "--output", again).status == 0)
                #expect(try folder.read("again.khx") == folder.read("kernels.khx"))
                let known = try await store(other, "import", file)
                #expect(known.status == 0 && !known.text.contains("created"))
            }
        }
    }

    /// The rest is backed up all the same, and nobody takes it for all.
    @Test func damagedKernelsAreLeftOutOfAnExportOfAllAndNamed() async throws {
        try await withExport { _, folder, server in
            let state = server.folder.path("store")
            // The pack of the second kernel, which leans on the first's, is the smaller one.
            let packs = try FolderListing.names(in: "\(state)/packs").map { "\(state)/packs/\($0)" }
                .map { ($0, try FileSource(path: $0).readAll()) }
            let (path, bytes) = try #require(packs.min { $0.1.count < $1.1.count })
            try TemporaryFolder.write(Array(bytes.prefix(bytes.count / 2)), to: path)
            for name in try FolderListing.names(in: "\(state)/bundles") {
                try PosixFileSystem().remove("\(state)/bundles/\(name)")
            }
            let file = folder.path("rest.khx")
            _ = try await server.store.verify()
            // Who asks for it gets nothing, and hears which.
            let refused = try await store(server, "export", "--build-id", "\(second.id)", "--output", file)
            #expect(refused.status == 4 && refused.errors.contains("6.1.0-2 (\(second.id))"), "\(refused.errors)")
            let rest = try await store(server, "export", "--all", "--output", file)
            #expect(rest.status == 1 && rest.text == "\(file)\n", "\(rest.errors)")
            #expect(rest.errors.contains("6.1.0-2 (\(second.id)) is not in the export"))
            #expect(rest.errors.contains("(export-incomplete)") && rest.errors.contains("1 kernel,"))
            try await withRunningServer { other in
                #expect(try await store(other, "import", file).status == 0)
                try await other.store.requireWhole(first)
                #expect(try await !other.store.has(second))
            }
        }
    }

    @Test func someKernelsGoThroughAPipe() async throws {
        try await withExport { _, folder, server in
            try await withRunningServer { other in
                let result = try await run(
                    shell: #"""
                        "$1" store export --build-id "$2" --output - --server "$3" |
                            "$1" store import - --server "$4"
                        """#, BuiltProgram.path("kheader"), "\(second.id)", server.url, other.url)
                #expect(result.status == 0, "\(result.errors)")
                try await other.store.requireWhole(second)
                #expect(try await !other.store.has(first))
            }
        }
    }

    /// With nothing but tar and sha256sum.
    @Test func anExportCanBeTakenApartByAnybody() async throws {
        try await withExport { file, folder, _ in
            try folder.makeFolder("apart")
            let result = try await run(
                shell: "cd \"$1\" && tar -xf \"$2\" && sha256sum -c --quiet SHA256SUMS && ls", folder.path("apart"),
                file)
            #expect(result.status == 0, "\(result.errors)")
            #expect(
                result.text.split(separator: "\n")
                    == [
                        "\(first.id)", "\(second.id)", "SHA256SUMS", "kheader-export.json",
                    ].map { $0[...] })
        }
    }

    @Test func aDamagedExportIsRefusedAndNothingIsSent() async throws {
        try await withExport { file, folder, _ in
            let good = try folder.read("kernels.khx")
            try await withRunningServer { other in
                var changes: [[UInt8]] = [0, 511, 512, good.count / 2, good.count - 10_240, good.count - 1].map {
                    Array(good.prefix($0))
                }
                for offset in stride(from: 600, to: good.count - 2000, by: good.count / 23) {
                    var flipped = good
                    flipped[offset] ^= 1
                    changes.append(flipped)
                }
                changes.append(good + [1])
                for (number, change) in changes.enumerated() where change != good {
                    try TemporaryFolder.write(change, to: file)
                    let result = try await store(other, "import", file)
                    #expect(result.status == 1, "\(number): \(result.errors)")
                    #expect(
                        result.errors.contains("(export-damaged)") || result.errors.contains("(export-malformed)"),
                        "\(number): \(result.errors)")
                    #expect(result.output.isEmpty)
                }
                #expect(try await other.store.status().kernels == 0)
            }
        }
    }

    @Test func anotherVersionAndAnotherFileAreRefused() async throws {
        try await withRunningServer { server in
            var forge = TarForge()
            forge.addFile("./kheader-export.json", Array(#"{"kernels":0,"version":2}"#.utf8))
            let newer = try server.folder.write(forge.finished(), to: "newer")
            let result = try await store(server, "import", newer)
            #expect(result.status == 1 && result.errors.contains("(export-version-unknown)"))
            let other = try server.folder.write(first.archive, to: "other.tar")
            let refused = try await store(server, "import", other)
            #expect(refused.status == 1 && refused.errors.contains("(export-malformed)"))
        }
    }

    /// A record that names another tree than the one that is there, with sums that fit.
    @Test func aForgedExportIsRefused() async throws {
        try await withExport { file, folder, _ in
            try folder.makeFolder("apart")
            let forged = folder.path("forged.khx")
            let result = try await run(
                shell: #"""
                    set -e; cd "$1"; tar -xf "$2"
                    cp "$3/headers.tar.zst" "$4/headers.tar.zst"
                    sha256sum $(sed 's/^[^ ]*  //' SHA256SUMS) > sums; mv sums SHA256SUMS
                    tar --format=ustar -cf "$5" ./kheader-export.json \
                        $(for id in "$3" "$4"; do for name in headers.tar.zst kernel.json vmlinux.btf.zst; do
                            test ! -e "./$id/$name" || echo "./$id/$name"; done; done) ./SHA256SUMS
                    """#, folder.path("apart"), file, "\(first.id)", "\(second.id)", forged)
            try #require(result.status == 0, "\(result.errors)")
            try await withRunningServer { other in
                let refused = try await store(other, "import", forged)
                #expect(refused.status == 1 && refused.errors.contains("are another tree"), "\(refused.errors)")
                #expect(try await other.store.status().kernels == 0)
            }
        }
    }

    /// Other headers for a kernel that the server has do not keep the rest from it.
    @Test func aConflictIsToldAndTheOthersAreSent() async throws {
        try await withExport { file, _, _ in
            try await withRunningServer { other in
                try await other.store.put(second.archive, as: KernelIdentity(buildID: first.id))
                let result = try await store(other, "import", file)
                #expect(result.status == 4 && result.errors.contains("(tree-conflict)"))
                try await other.store.requireWhole(second)
            }
        }
    }

    /// Ranks are the operators' to give.
    @Test func anImportTakesAnOperatorsToken() async throws {
        try await withExport { file, folder, _ in
            try await withTemporaryFolder { place in
                let tokens = TokenFile(state: place.path("store"))
                var files: [TokenRole: String] = [:]
                for role in TokenRole.allCases {
                    let secret = try tokens.create(role: role, label: "test", expires: nil, now: 1).secret
                    files[role] = try place.write(Array(secret.utf8), to: "\(role.rawValue).token", mode: 0o600)
                }
                try await withRunningServer(in: place) { other in
                    for role in TokenRole.allCases where role != .operator {
                        let file = try #require(files[role])
                        let result = try await store(
                            other, "import", folder.path("kernels.khx"), "--token-file", file)
                        #expect(result.status == 4 && result.errors.contains("(role-insufficient)"), "\(role)")
                    }
                    #expect(try await other.store.status().kernels == 0)
                    let token = try #require(files[.operator])
                    let result = try await store(other, "import", file, "--token-file", token)
                    #expect(result.status == 0, "\(result.errors)")
                }
            }
        }
    }

    /// A device, a FIFO and a link are written to, and stay what they are; the file that a link leads to is the last good one
    /// until the next is whole.
    @Test func whatIsNoRegularFileIsNotReplaced() async throws {
        try await withExport { file, folder, server in
            let result = try await run(
                shell: #"""
                    set -eu; cd "$1"; mkfifo fifo; ln -s target link; mknod full c 1 7 2>/dev/null || ln -s /dev/full full
                    cat fifo > read & "$2" store export --all --output fifo --server "$3"; wait
                    "$2" store export --all --output link --server "$3"
                    test -p fifo && test -L link && cmp read "$4" && cmp target "$4"
                    "$2" store export --all --output full --server "$3" && exit 9
                    test ! -f full || exit 8
                    echo old > kept; ln -s kept latest
                    (ulimit -f 1; "$2" store export --all --output latest --server "$3") && exit 7
                    test "$(cat kept)" = old || exit 6
                    "$2" store export --all --output latest --server "$3"
                    test -L latest && cmp kept "$4"
                    """#, folder.path, BuiltProgram.path("kheader"), server.url, file)
            #expect(result.status == 0, "\(result.status): \(result.errors)")
            #expect(result.errors.contains("No space left on device"))
        }
    }

    @Test func nothingIsNoExport() async throws {
        try await withRunningServer { server in
            let file = try server.folder.write("the last good one".utf8, to: "kernels.khx")
            let result = try await store(server, "export", "--all", "--output", file)
            #expect(result.status == 1 && result.errors.contains("(export-empty)"), "\(result.errors)")
            #expect(try server.folder.read("kernels.khx") == Array("the last good one".utf8))
        }
    }

    @Test func anExportSaysWhichKernels() async throws {
        try await withRunningServer { server in
            let file = server.folder.path("x")
            #expect(try await store(server, "export", "--output", file).status == 2)
            #expect(try await store(server, "export", "--all", "--build-id", "ab", "--output", file).status == 2)
            let unknown = try await store(server, "export", "--build-id", "ab", "--output", file)
            #expect(unknown.status == 3 && unknown.errors.contains("(kernel-unknown)"))
            #expect(server.folder.names() == ["store"])
        }
    }
}
