import HeaderArchive
import KHeaderTestSupport
import KernelHeaders
import Synchronization
import Testing

@testable import PrecompiledHeaders

/// PCHs of a real kernel's headers, by real clangs in a real sandbox.
@Suite(.enabled(if: RealTree.packages != nil, "KHEADERD_PACKAGES names no folder of Debian's kernel packages"))
struct PCHBuilderTests {
    private let tree: RealTree

    init() throws { tree = try RealTree.get() }

    private func order(
        _ umbrella: Umbrella, _ toolchain: InstalledToolchain, _ profile: CompilerProfile? = nil
    ) -> PCHOrder {
        PCHOrder(
            tree: tree.digest, architecture: tree.architecture, toolchain: toolchain.toolchain,
            profile: profile
                ?? .clang(architecture: tree.architecture, configuration: KernelConfiguration(tree: tree.path)),
            umbrella: umbrella)
    }

    private func build(
        _ order: PCHOrder, _ toolchain: InstalledToolchain, in folder: TemporaryFolder, name: String = "pch",
        tree path: String? = nil, step: @escaping @Sendable (Int) -> Void = { _ in }
    ) async throws -> PCHManifest {
        try folder.makeFolder("\(name).scratch")
        return try await PCHBuilder(sandbox: RealCompiler.sandbox()).build(
            order, with: toolchain, tree: path ?? tree.path, scratch: folder.path("\(name).scratch"),
            output: folder.path(name)
        ) { step($0.number) }
    }

    @Test(arguments: [14, 16, 19]) func programsBecomeTheSameCode(_ major: Int) async throws {
        let clang = try await RealCompiler.clang(major)
        try await withTemporaryFolder { folder in
            let steps = Mutex<[Int]>([])
            let order = order(.net, clang)
            let manifest = try await build(order, clang, in: folder) { step in steps.withLock { $0.append(step) } }
            #expect(manifest.key == order.key && manifest.rank == .server)
            #expect(manifest.proofs == ["empty", "sched", "sock", "tcp", "file"])
            #expect(manifest.headers.contains("net/sock.h") && manifest.stubs.contains("include/net/sock.h"))
            // bcc brings this one along, and clang does not.
            #expect(manifest.leftOut.map(\.header) == ["bcc/proto.h"], "\(manifest.leftOut)")
            #expect(steps.withLock { $0 } == [1, 2, 3])
            let bytes = try folder.read("pch")
            #expect(manifest.bytes == bytes.count && manifest.digest == SHA256Hash.digest(of: bytes))
        }
    }

    /// Two servers, at other places, with other times.
    @Test(arguments: [14, 16, 19]) func theSameOrderMakesTheSameBytes(_ major: Int) async throws {
        let clang = try await RealCompiler.clang(major)
        try await withTemporaryFolder { folder in
            try ShellCommand("cp", "-r", tree.path, folder.path("elsewhere")).output()
            let order = order(.sched, clang)
            let here = try await build(order, clang, in: folder, name: "here")
            let there = try await build(order, clang, in: folder, name: "there", tree: folder.path("elsewhere"))
            #expect(here == there)
        }
    }

    /// What clang would not say a word to: see ``MacroGuard``.
    @Test(
        arguments: [
            ("#define CONFIG_KCOV 1\n", []), ("", ["-DCONFIG_KCOV=1"]), ("#define HZ 17\n", []),
            ("#define DEBUG 1\n", []),
        ] as [(String, [String])], [14, 16, 19])
    func programsThatChangeHeadersAreRefused(
        _ program: (text: String, arguments: [String]), _ major: Int
    ) async throws {
        let clang = try await RealCompiler.clang(major)
        try await withTemporaryFolder { folder in
            let manifest = try await build(order(.sched, clang), clang, in: folder)
            for path in manifest.stubs { try folder.write([], to: "stubs/\(path)") }
            let arguments =
                ["-include-pch", folder.path("pch")] + manifest.arguments(stubs: folder.path("stubs"))
                + ["-fsyntax-only", "-x", "c", folder.path("program.c")]
            let include = "#include <linux/sched.h>\nint size = sizeof(struct task_struct);\n"
            try folder.write(include.utf8, to: "program.c")
            let good = try ShellCommand(clang.program, arguments).run()
            #expect(good.status == 0, "\(good.errors)")
            try folder.write((program.text + include).utf8, to: "program.c")
            let refused = try ShellCommand(clang.program, program.arguments + arguments).run()
            #expect(refused.status != 0)
            #expect(
                refused.errors.contains("error: attempt to use a poisoned identifier")
                    || refused.errors.contains("macro redefined [-Werror"), "\(refused.errors)")
        }
    }

    /// `-target bpf` on a PC's headers: their assembler is not BPF's. What does compile is served, what does not is told.
    @Test func whatDoesNotCompileIsLeftOutAndTold() async throws {
        let clang = try await RealCompiler.clang(19)
        let umbrella = Umbrella(name: "xdp", headers: ["uapi/linux/if_ether.h", "linux/sched.h", "linux/gone.h"])
        let profile = CompilerProfile.bpf(
            architecture: tree.architecture, configuration: KernelConfiguration(tree: tree.path))
        try await withTemporaryFolder { folder in
            let manifest = try await build(order(umbrella, clang, profile), clang, in: folder)
            #expect(manifest.headers == ["uapi/linux/if_ether.h"])
            #expect(manifest.leftOut.map(\.header) == ["linux/gone.h", "linux/sched.h"])
            #expect(manifest.leftOut.last?.reason.contains("error: ") == true)
            #expect(manifest.leftOut.first?.reason == "this kernel has no such header")
        }
    }

    @Test func anUmbrellaOfWhichNothingCompilesIsRefusedWithTheCompilersWords() async throws {
        let clang = try await RealCompiler.clang()
        let profile = CompilerProfile.bpf(
            architecture: tree.architecture, configuration: KernelConfiguration(tree: tree.path))
        try await withTemporaryFolder { folder in
            let problem = await #expect(throws: Problem.self) {
                try await build(
                    order(Umbrella(name: "s", headers: ["linux/sched.h"]), clang, profile), clang, in: folder)
            }
            #expect(problem?.code == .pchBuildFailed)
            #expect(problem?.detail.contains("linux/sched.h: ") == true, "\(problem?.detail ?? "")")
            #expect(problem?.detail.contains("error: ") == true)
            #expect(problem?.detail.contains(folder.path) == false)
        }
    }

    /// Own headers that break a kernel's, as those of bcc 0.26 do with `struct bpf_wq` of 6.12.
    @Test func aToolWhoseHeadersDoNotFitIsRefused() async throws {
        let clang = try await RealCompiler.clang()
        let usual = CompilerProfile.clang(
            architecture: tree.architecture, configuration: KernelConfiguration(tree: tree.path))
        let profile = CompilerProfile(
            name: "old", flags: usual.flags + ["-include", "/virtual/old.h"],
            headers: ["/virtual/old.h": "struct list_head { int only; };\n#define _LINUX_TYPES_H\ntypedef int bool;\n"])
        try await withTemporaryFolder { folder in
            let problem = await #expect(throws: Problem.self) {
                try await build(order(.sched, clang, profile), clang, in: folder)
            }
            #expect(problem?.code == .pchPairRefused, "\(problem.map { "\($0)" } ?? "")")
        }
    }

    /// `<linux/if_ether.h>` is the kernel's own header where that exists, and the one of its user-space API else. With a
    /// PCH of the latter alone, a program that includes the former must not get the latter.
    @Test func aStubDoesNotStandForAHeaderOfTheSameName() async throws {
        let clang = try await RealCompiler.clang()
        try await withTemporaryFolder { folder in
            let manifest = try await build(
                order(Umbrella(name: "e", headers: ["uapi/linux/if_ether.h"]), clang), clang, in: folder)
            #expect(manifest.stubs.contains("include/uapi/linux/if_ether.h"))
            #expect(!manifest.stubs.contains("include/linux/if_ether.h"))
            #expect(manifest.blocked.contains("include/linux/if_ether.h"))
        }
    }

    /// Rounds that each take long before they fail must not add up.
    @Test func allRoundsTogetherHaveALimit() async throws {
        let clang = try await RealCompiler.clang()
        try await withTemporaryFolder { folder in
            try folder.makeFolder("scratch")
            let problem = await #expect(throws: Problem.self) {
                try await PCHBuilder(sandbox: RealCompiler.sandbox { $0.seconds = 0 }).build(
                    order(.sched, clang), with: clang, tree: tree.path, scratch: folder.path("scratch"),
                    output: folder.path("pch"))
            }
            #expect(problem?.code == .pchLimit && problem?.detail.contains("more than 0 seconds") == true)
        }
    }

    /// An operator may insist.
    @Test func withoutASandboxProgramsBecomeTheSameCodeToo() async throws {
        let clang = try await RealCompiler.clang()
        let usual = CompilerProfile.clang(
            architecture: tree.architecture, configuration: KernelConfiguration(tree: tree.path))
        let profile = CompilerProfile(
            name: "own", flags: usual.flags + ["-include", "/virtual/include/own.h"],
            headers: ["/virtual/include/own.h": "#pragma once\nstruct own { int a; };\n"], isFoundByName: true)
        try await withTemporaryFolder { folder in
            try folder.makeFolder("scratch")
            let manifest = try await PCHBuilder(sandbox: Sandbox.none()).build(
                order(.sched, clang, profile), with: clang, tree: tree.path, scratch: folder.path("scratch"),
                output: folder.path("pch"))
            #expect(manifest.proofs == ["empty", "sched"])
            #expect(manifest.stubs.contains("include/linux/sched.h"))
        }
    }

    @Test func aMachineWithoutBubblewrapMakesNone() async throws {
        try await withTemporaryFolder { folder in
            let unavailable = await #expect(throws: SandboxUnavailable.self) {
                try await Sandbox.find(path: folder.path)
            }
            #expect(unavailable?.description.contains("Install bubblewrap") == true)
            // One that can't make namespaces, and says why; one that never ends.
            for name in ["prlimit", "timeout"] {
                try folder.write("#!/bin/sh\nexec /usr/bin/\(name) \"$@\"\n".utf8, to: name, mode: 0o755)
            }
            for (script, seconds, reason) in [
                ("echo bwrap: No permissions >&2; exit 1", 60, "can't be used here (bwrap: No permissions)"),
                ("exit 1", 60, "can't be used here (it ends as exited(1))"),
                ("trap '' TERM; sleep 1000", 1, "can't be used here (it has not started within 1 s)"),
            ] {
                try folder.write("#!/bin/sh\n\(script)\n".utf8, to: "bwrap", mode: 0o755)
                var limits = Sandbox.Limits()
                limits.seconds = seconds
                let forbidden = await #expect(throws: SandboxUnavailable.self) {
                    try await Sandbox.find(limits: limits, path: folder.path)
                }
                #expect(forbidden?.description.contains(reason) == true, "\(forbidden?.description ?? "")")
            }
        }
    }

    /// With the compiler, sandbox or none.
    @Test(arguments: [true, false]) func aBuildThatNobodyWaitsForEnds(_ isConfined: Bool) async throws {
        let clang = try await RealCompiler.clang()
        try await withTemporaryFolder { folder in
            let started = AsyncStream.makeStream(of: Void.self)
            try folder.makeFolder("scratch")
            let order = order(.all, clang)
            let path = tree.path
            let task = Task {
                let sandbox = isConfined ? try await RealCompiler.sandbox() : try Sandbox.none()
                return try await PCHBuilder(sandbox: sandbox).build(
                    order, with: clang, tree: path, scratch: folder.path("scratch"), output: folder.path("pch")
                ) { _ in started.continuation.yield() }
            }
            for await _ in started.stream { break }
            task.cancel()
            await #expect(throws: CancellationError.self) { try await task.value }
            #expect(try RealCompiler.processesLeft(naming: folder.path) == "")
        }
    }
}
