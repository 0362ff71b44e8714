import KHeaderTestSupport
import PrecompiledHeaders
import Testing

@Suite struct ToolchainTests {
    private static let output = """
        Debian clang version 14.0.6
        Target: x86_64-pc-linux-gnu
        Thread model: posix
        """

    @Test func versionLineAndTargetNameAToolchain() throws {
        let toolchain = try #require(Toolchain(versionOutput: Self.output, package: "1:14.0.6-12"))
        #expect(toolchain.version == "Debian clang version 14.0.6")
        #expect(toolchain.target == "x86_64-pc-linux-gnu")
        #expect(toolchain.major == 14)
    }

    /// Two revisions of Debian's clang 14 say the same version, and read each other's PCHs without a word.
    @Test func anotherVersionPackageOrTargetIsAnotherToolchain() throws {
        let ids = [
            (Self.output, "1:14.0.6-12"), (Self.output, "1:14.0.6-13"), (Self.output, nil),
            (Self.output.replacing("14.0.6", with: "14.0.7"), "1:14.0.6-12"),
            (Self.output.replacing("x86_64", with: "aarch64"), "1:14.0.6-12"),
        ].map { Toolchain(versionOutput: $0.0, package: $0.1)?.id }
        #expect(!ids.contains(nil) && Set(ids).count == 5)
    }

    @Test(arguments: ["", "gcc (Debian 12.2.0-14) 12.2.0\nTarget: x86_64", "clang version 14", "hello\n"])
    func whatIsNoClangIsNoToolchain(_ output: String) {
        #expect(Toolchain(versionOutput: output, package: nil) == nil)
    }

    @Test func aProgramThatDoesNotAnswerIsNotWaitedFor() async throws {
        try await withTemporaryFolder { folder in
            try folder.write("#!/bin/sh\nexec sleep 1000\n".utf8, to: "hanging/clang", mode: 0o755)
            let registry = ToolchainRegistry(
                path: folder.path("hanging"), llvm: folder.path, patience: .milliseconds(100))
            #expect(await registry.toolchains().isEmpty)
        }
    }

    /// Programs that a search path may well have: one clang twice, one that fails, one that prints without end.
    @Test func findsEachClangOnceAndNothingElse() async throws {
        try await withTemporaryFolder { folder in
            let scripts = [
                "llvm-14/bin": "test $1 = --version || exit 0; printf '\(Self.output.replacing("\n", with: "\\n"))'",
                "llvm-19/bin":
                    "printf '\(Self.output.replacing("\n", with: "\\n").replacing("14.0.6", with: "19.1.7"))'",
                "same": "printf '\(Self.output.replacing("\n", with: "\\n"))'", "failing": "exit 1", "endless": "yes",
            ]
            for (path, script) in scripts {
                try folder.write("#!/bin/sh\n\(script)\n".utf8, to: "\(path)/clang", mode: 0o755)
            }
            let path = ["same", "failing", "endless", "missing"].map { "\(folder.path)/\($0)" }.joined(separator: ":")
            let toolchains = await ToolchainRegistry(path: path, llvm: folder.path).toolchains()
            #expect(toolchains.map(\.version) == ["Debian clang version 14.0.6", "Debian clang version 19.1.7"])
        }
    }
}
