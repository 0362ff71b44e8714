import FoundationEssentials
import HeaderArchive
import HeaderStore
import KHeaderTestSupport
import KernelHeaders
import OperatorDocuments
import Testing

@Suite struct ImportCommandTests {
    /// Two kernels go in, and come out as what the packages hold, read by `dpkg-deb` and not by us.
    @Test(.enabled(if: RealPackages.folder != nil)) func realKernelsGoInByBuildIDAndComeOutWhole() async throws {
        let folder = try #require(RealPackages.folder)
        let packages = try ShellCommand("sh", "-c", "ls \(folder)/*.deb").output()
        let paths = String(decoding: packages, as: UTF8.self).split(separator: "\n").map(String.init)
        try await withRunningServer { server in
            let result = try await run("kheader", ["import", "--server", server.url] + paths)
            try #require(result.status == 0, "\(result.errors)")
            let kernels = try await server.store.kernels(limit: 10).kernels.compactMap(\.summary)
            #expect(kernels.count >= 2)
            #expect(kernels.allSatisfy { $0.source == .import && $0.identity.versionLine != nil && $0.files > 5000 })
            // Debian's kernels carry BTF.
            #expect(kernels.allSatisfy { $0.btfBytes ?? 0 > 1 << 20 })
            for path in paths where path.contains("linux-headers") {
                _ = try await run(command: ShellCommand("dpkg-deb", "-x", path, server.folder.path("unpacked")))
            }
            for kernel in kernels { try await Self.check(kernel, server) }
        }
    }

    private static func check(_ kernel: KernelSummary, _ server: RunningServer) async throws {
        let release = try #require(kernel.identity.release)
        let fetched = server.folder.path("fetched-\(release)")
        let id = kernel.identity.buildID.description
        let result = try await run("kheader", "fetch", "--build-id", id, "--to", fetched, "--server", server.url)
        try #require(result.status == 0, "\(result.errors)")
        // What the packages hold: the flavour's headers over the common ones, as its Makefile includes them.
        let script = """
            set -eu; cd "$1/usr/src"
            common=$(sed -n 's,^include /usr/src/\\(.*\\)/Makefile,\\1,p' linux-headers-$2/Makefile)
            mkdir "$3"
            for tree in $common linux-headers-$2; do
                (cd $tree && find include arch/$5/include -name '*.h' \\( -type f -o -type l \\) \
                    2>/dev/null | tar -cf - -T -) | tar -C "$3" --unlink-first -xf -
            done
            diff -r --no-dereference "$3" "$4"
            """
        let difference = try await run(
            shell: script, server.folder.path("unpacked"), release, server.folder.path("expected-\(release)"), fetched,
            try #require(kernel.identity.architecture).sourceFolder)
        #expect(difference.status == 0, "\(difference.text.prefix(500)) \(difference.errors.prefix(500))")
    }
}
