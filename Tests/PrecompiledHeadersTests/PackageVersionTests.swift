import KHeaderTestSupport
import Testing

@testable import PrecompiledHeaders

@Suite struct PackageVersionTests {
    @Test(arguments: [
        ("/usr/lib/llvm-14/bin/clang", "clang-14"), ("/usr/lib/llvm-14/lib/libclang-cpp.so.14", "libclang-cpp14"),
        ("/usr/lib/x86_64-linux-gnu/libclang-cpp.so.19.1", "libclang-cpp19"), ("/usr/bin/clang", nil),
        ("/usr/lib/liba.so", nil), ("", nil),
    ])
    func packagesAreNamedAfterTheirFiles(_ path: String, _ name: String?) {
        #expect(PackageVersion.probableName(of: path) == name)
    }

    /// However long dpkg takes on a busy machine.
    private static let patience = Duration.seconds(300)

    /// By the list that is named after it, and by all lists.
    @Test(arguments: [14, 16, 19]) func saysWhatDpkgSays(_ major: Int) async throws {
        let clang = try await RealCompiler.clang(major)
        let version = try ShellCommand("dpkg-query", "-W", "-f", "${Version}", "clang-\(major)").run().text
        #expect(clang.toolchain.package == version)
        #expect(await PackageVersion.ofFile(clang.program, patience: Self.patience) == version)
        let shell = try ShellCommand("dpkg-query", "-W", "-f", "${Version}", "dash").run().text
        let path = try ShellCommand("dpkg-query", "-L", "dash").run().text.split(separator: "\n").first {
            $0.hasSuffix("/dash")
        }
        #expect(await PackageVersion.ofFile(String(try #require(path)), patience: Self.patience) == shell)
    }

    @Test func aFileOfNoPackageHasNone() async throws {
        try await withTemporaryFolder { folder in
            let file = try folder.write([], to: "libclang-cpp.so.14")
            #expect(await PackageVersion.ofFile(file) == nil)
        }
    }
}
