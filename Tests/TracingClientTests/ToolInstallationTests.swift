import Glibc
import KHeaderTestSupport
import PrecompiledHeaders
import Testing

@testable import TracingClient

@Suite struct ToolInstallationTests {
    @Test func toolsSayTheirVersions() async throws {
        try await withTemporaryFolder { folder in
            try folder.write("#!/bin/sh\necho bpftrace v0.17.0\n".utf8, to: "a/bpftrace", mode: 0o755)
            try folder.write("#!/bin/sh\nexit 1\n".utf8, to: "b/bpftrace", mode: 0o755)
            try folder.write("#!/bin/sh\nexit 1\n".utf8, to: "b/clang", mode: 0o755)
            try folder.write("no program".utf8, to: "a/clang")
            let library = try folder.write([1], to: "usr/lib/libbcc.so.0.26.0")
            symlink("libbcc.so.0.26.0", folder.path("usr/lib/libbcc.so.0"))
            let tools = await ToolInstallation.find(
                path: "\(folder.path("a")):\(folder.path("b"))", root: folder.path, patience: .seconds(600))
            #expect(
                tools == [
                    .init(tool: .bcc, path: library, version: "0.26.0"),
                    .init(tool: .bpftrace, path: folder.path("a/bpftrace"), version: "0.17.0"),
                    .init(tool: .clang, path: folder.path("b/clang"), version: nil),
                ])
        }
    }

    @Test(arguments: [
        ("Debian clang version 14.0.6\nTarget: x86_64", "14.0.6"), ("bpftrace v0.24.1-3-gabc", "0.24.1-3-gabc"),
        ("clang version 21.1.0 (https://github.com/x)", "21.1.0"),
    ])
    func theVersionIsTheWordThatLooksLikeOne(_ text: String, _ version: String) {
        #expect(ToolInstallation.version(in: text) == version)
    }

    @Test func noVersionIsNone() { #expect(ToolInstallation.version(in: "command not found") == nil) }
}
