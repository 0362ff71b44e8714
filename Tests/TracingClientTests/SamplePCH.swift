import HeaderArchive
import KHeaderTestSupport
import KernelHeaders
import Testing

@testable import PrecompiledHeaders
@testable import TracingClient

/// A PCH that no clang would take, with all that is said of one.
struct SamplePCH {
    let bytes: [UInt8]
    var manifest: PCHManifest
    let toolchain: Toolchain

    static let id = BuildID("0123abcd")
    static let tree = SHA256Hash.digest(of: [1])

    init(
        _ text: String = "a PCH", umbrella: String = "sched", headers: [String] = ["linux/sched.h"],
        profile: CompilerProfile = CompilerProfile(name: "clang-x86", flags: [])
    ) throws {
        bytes = Array(text.utf8)
        toolchain = try #require(
            Toolchain(versionOutput: "Test clang version 14.0.6\nTarget: x86_64-pc-linux-gnu\n", package: "1:14.0.6-12")
        )
        manifest = PCHManifest(
            key: SHA256Hash.digest(of: Array("\(text) \(umbrella)".utf8)), rank: .server, treeDigest: Self.tree,
            toolchain: toolchain.id, profile: profile.id, profileName: profile.name, umbrella: umbrella,
            digest: SHA256Hash.digest(of: bytes), bytes: bytes.count, headers: headers, leftOut: [],
            stubs: ["arch/x86/include/asm/page.h", "include/linux/sched.h", "include/uapi/linux/types.h"],
            blocked: ["include/asm/page.h"], arguments: ["-O2", "-I{stubs}/include"], proofs: ["empty"])
    }

    func record(isFoundByName: Bool = false) throws -> PCHRecord {
        PCHRecord(
            identity: KernelIdentity(buildID: try #require(Self.id)), toolchain: toolchain, manifest: manifest,
            isFoundByName: isFoundByName, place: "http://127.0.0.1:1", added: 1)
    }

    /// Puts it into a cache.
    @discardableResult
    func add(to cache: HeaderCache, isFoundByName: Bool = false) async throws -> CachedPCH {
        let bytes = bytes
        return try await cache.addPCH(record(isFoundByName: isFoundByName)) {
            try TemporaryFolder.write(bytes, to: $0, mode: 0o444)
        }
    }
}
