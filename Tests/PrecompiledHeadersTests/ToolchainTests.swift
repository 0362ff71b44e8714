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
            let output = Self.output.replacing("\n", with: "\\n")
            let script = "#!/bin/sh\ntrap '' TERM\nsleep 1000\nprintf '\(output)'\n"
            try folder.write(script.utf8, to: "hanging/clang", mode: 0o755)
            let registry = ToolchainRegistry(path: folder.path("hanging"), llvm: folder.path, patience: .seconds(1))
            #expect(await registry.toolchains().isEmpty)
            #expect(try RealCompiler.processesLeft(naming: folder.path) == "")
        }
    }

    @Test func whatAnOperatorNamesAndCantBeUsedIsToldWithTheReason() async throws {
        try await withTemporaryFolder { folder in
            let good = "#!/bin/sh\nprintf '\(Self.output.replacing("\n", with: "\\n"))'\n"
            for name in ["one", "same"] { try folder.write(good.utf8, to: name, mode: 0o755) }
            try folder.write("#!/bin/sh\nexit 1\n".utf8, to: "failing", mode: 0o755)
            try folder.write(good.utf8, to: "plain", mode: 0o644)
            let names = ["missing", "one", "same", "failing", "plain"]
            let registry = ToolchainRegistry(programs: names.map(folder.path), path: "/nowhere", llvm: folder.path)
            let unusable = await registry.unusable()
            #expect(unusable.map(\.program) == ["missing", "failing", "plain"].map(folder.path))
            let reasons = unusable.map(\.reason)
            #expect(reasons.first == "No such file or directory" && reasons.last == "Permission denied", "\(reasons)")
            #expect(reasons.dropFirst().first?.hasPrefix("it does not answer as a clang does") == true)
            // Nobody named what is looked for.
            #expect(await ToolchainRegistry(path: folder.path("nowhere"), llvm: folder.path).unusable().isEmpty)
        }
    }

    /// Programs that a search path may well have: one clang twice, one that fails, one that prints without end.
    @Test func findsEachClangOnceAndNothingElse() async throws {
        try await withTemporaryFolder { folder in
            let scripts = [
                "llvm-14/bin": "test $1 = --version || exit 0; printf '\(Self.output.replacing("\n", with: "\\n"))'",
                "llvm-19/bin":
                    "printf '\(Self.output.replacing("\n", with: "\\n").replacing("14.0.6", with: "19.1.7"))'",
                "same": "printf '\(Self.output.replacing("\n", with: "\\n"))'", "failing": "exit 1",
                "endless": "trap '' PIPE; while :; do echo yes; done",
            ]
            for (path, script) in scripts {
                try folder.write("#!/bin/sh\n\(script)\n".utf8, to: "\(path)/clang", mode: 0o755)
            }
            let path = ["same", "failing", "endless", "missing"].map { "\(folder.path)/\($0)" }.joined(separator: ":")
            let toolchains = await ToolchainRegistry(path: path, llvm: folder.path).toolchains()
            #expect(toolchains.map(\.version) == ["Debian clang version 14.0.6", "Debian clang version 19.1.7"])
            #expect(try RealCompiler.processesLeft(naming: folder.path) == "")
        }
    }
}
