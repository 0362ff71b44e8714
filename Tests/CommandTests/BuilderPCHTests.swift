import HeaderServer
import KHeaderTestSupport
import PrecompiledHeaders
import Testing

/// A host makes a PCH with a clang that the server lacks, and another host takes it.
@Suite(.enabled(if: RealPackages.folder != nil)) struct BuilderPCHTests {
    private static let clang = "/usr/bin/clang-16"

    @Test func whatABuilderMadeIsForThoseWhoAcceptIt() async throws {
        var options = PCHOptions.off
        options.registry = ToolchainRegistry(path: "", llvm: "/nowhere")
        try await withRunningServer(pch: options) { server in
            let id = try await RealPackages.importKernel(to: server)
            func kheader(_ words: [String], cache: String) async throws -> ShellCommand.Result {
                let at = words.firstIndex(of: "--") ?? words.endIndex
                let place = ["--build-id", id, "--server", server.url, "--cache", server.folder.path(cache)]
                return try await run("kheader", words[..<at] + place + words[at...])
            }
            let built = try await kheader(
                ["pch", "build", "--for", "clang", "--clang", Self.clang, "--umbrella", "sched"], cache: "builder")
            try #require(built.status == 0, "\(built.errors)")
            let list = try await run("kheader", "pch", "list", "--server", server.url)
            #expect(list.text.contains("clang version 16"), "\(list.text)")

            let file = try server.folder.write(
                "#include <linux/sched.h>\nint size[sizeof(struct task_struct)];\n".utf8, to: "p.c")
            let compile = ["--", Self.clang, "-O2", "-S", "-emit-llvm", "-o", "-", file]
            let exec = ["exec", "--pch", "--no-headers"]
            let refused = try await kheader(exec + compile, cache: "client")
            #expect(refused.status == 3 && refused.output.isEmpty)
            #expect(refused.errors.contains("(pch-rank-too-low)"), "\(refused.errors)")
            let accepted = try await kheader(exec + ["--accept-builders"] + compile, cache: "client")
            #expect(accepted.status == 0 && accepted.errors.isEmpty, "\(accepted.errors)")
            // Who does not gets the headers, and the same.
            let full = try await kheader(["exec", "--pch"] + compile, cache: "other")
            let size = { (result: ShellCommand.Result) in
                result.text.split(separator: "\n").first { $0.hasPrefix("@size = ") }
            }
            #expect(full.status == 0 && full.errors.contains("No PCH, but the full headers: "), "\(full.errors)")
            #expect(size(accepted) != nil && size(accepted) == size(full))
        }
    }
}
