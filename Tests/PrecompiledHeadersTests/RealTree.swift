import Glibc
import HeaderArchive
import KHeaderTestSupport
import KernelHeaders
import Synchronization
import Testing

@testable import PrecompiledHeaders

/// The header tree of a real kernel of Debian's, as a server unpacks it: once for all tests, and never written to.
struct RealTree: Sendable {
    /// The folder of packages that `make test-deps` fills.
    static let packages = getenv("KHEADERD_PACKAGES").map { String(cString: $0) }

    let folder: TemporaryFolder
    let digest: KernelHeaders.Digest
    var path: String { folder.path("tree") }
    let architecture: Architecture

    private static let shared = Mutex<Result<RealTree, any Error>?>(nil)

    static func get() throws -> RealTree {
        try shared.withLock { shared in
            let made = shared ?? Result { try RealTree(try #require(packages)) }
            shared = made
            return try made.get()
        }
    }

    private init(_ packages: String) throws {
        folder = try TemporaryFolder()
        let script = """
            set -eu
            cd "$2"
            for file in "$1"/linux-headers-*.deb; do
                case $file in *-cloud-*) continue;; esac
                dpkg-deb --fsys-tarfile "$file" | tar -x --wildcards '*.h' ./usr 2>/dev/null || [ -d usr/src ]
            done
            ls usr/src
            """
        let names = try ShellCommand("sh", "-c", script, "sh", packages, folder.path).run().text.split(separator: "\n")
        let common = try #require(names.first { $0.hasSuffix("-common") })
        let build = try #require(names.first { !$0.hasSuffix("-common") })
        try folder.makeFolder("tree")
        let headers = try HeaderFolder(
            source: folder.path("usr/src/\(common)"), build: folder.path("usr/src/\(build)"))
        architecture = Architecture(sourceFolder: headers.sourceArchitecture, is64Bit: true)
        digest = try TreeUnpacker(folder: folder.path("tree")).copy(headers) { _ in }.digest
    }
}

/// What tests of real compilers need: Debian's clang 14 and bubblewrap, which `make test-deps` installs.
enum RealCompiler {
    private static let registry = ToolchainRegistry(path: "")

    static func sandbox(_ change: (inout Sandbox.Limits) -> Void = { _ in }) async throws -> Sandbox {
        var limits = Sandbox.Limits()
        change(&limits)
        return try await Sandbox.find(limits: limits)
    }

    static func clang(_ major: Int = 14) async throws -> InstalledToolchain {
        try #require(await registry.installed().first { $0.toolchain.major == major }, "clang-\(major) is missing")
    }

    /// The processes that have a path among their arguments, once those that were killed had time to go: the kernel ends the
    /// last of bubblewrap's when it sees that the first is gone.
    static func processesLeft(naming path: String) throws -> String {
        let script = "grep -lF -f - /proc/[0-9]*/cmdline 2>/dev/null"
        var left = "some"
        for _ in 0..<500 where !left.isEmpty {
            left = try ShellCommand("sh", "-c", script).run(Array("\(path)\n".utf8)).text
        }
        return left
    }
}
