import HeaderArchive
import HeaderStore
import KHeaderTestSupport
import KernelHeaders
import OperatorDocuments
import Testing

/// What an upload says of its kernel, held against what its tree says; and archives that are refused.
@Suite struct IngestLabelTests {
    @Test func whatTheSenderDoesNotSayComesFromTheTree() async throws {
        let kernel = try StoredKernel(id: 1, revision: 7)
        try await withTemporaryFolder { folder in
            let store = try HeaderStore(folder: folder.path("store"))
            try await store.put(kernel, source: .agent)
            let summary = try await store.kernel(kernel.id)
            #expect(summary.identity.release == "6.1.0-7")
            #expect(summary.identity.architecture?.machine == "x86_64")
            #expect(summary.source == .agent)
        }
    }

    @Test func whatTheTreeDoesNotSayComesFromTheSender() async throws {
        let kernel = try StoredKernel(id: 1, files: ["include/linux/bpf.h": [1]])
        let identity = KernelIdentity(
            buildID: kernel.id, release: "5.4.0", versionLine: "#1 SMP", architecture: Architecture(machine: "riscv64"),
            hasBTF: false)
        try await withTemporaryFolder { folder in
            let store = try HeaderStore(folder: folder.path("store"))
            try await store.put(kernel.archive, as: identity)
            #expect(try await store.kernel(kernel.id).identity == identity)
        }
    }

    @Test func anotherReleaseThanTheTreesIsRefused() async throws {
        let kernel = try StoredKernel(id: 1, revision: 7)
        try await expectRefusal(
            .releaseMismatch, of: kernel.archive, as: KernelIdentity(buildID: kernel.id, release: "6.1.0-8"))
    }

    @Test func anotherArchitectureThanTheTreesIsRefused() async throws {
        let kernel = try StoredKernel(id: 1, revision: 7)
        let identity = KernelIdentity(buildID: kernel.id, architecture: Architecture(machine: "aarch64"))
        try await expectRefusal(.architectureMismatch, of: kernel.archive, as: identity)
    }

    /// i686 and x86_64 have the same folder: the tree can't say that the sender is wrong.
    @Test func theSendersArchitectureStaysIfItHasTheTreesFolder() async throws {
        let kernel = try StoredKernel(id: 1, revision: 7)
        try await withTemporaryFolder { folder in
            let store = try HeaderStore(folder: folder.path("store"))
            let identity = KernelIdentity(buildID: kernel.id, architecture: Architecture(machine: "i686"))
            try await store.put(kernel.archive, as: identity)
            #expect(try await store.kernel(kernel.id).identity.architecture?.machine == "i686")
        }
    }

    @Test func anArchiveThatTurnsBadAtItsEndIsRefused() async throws {
        let kernel = try StoredKernel(id: 1, revision: 7)
        let identity = KernelIdentity(buildID: kernel.id)
        try await expectRefusal(.archiveTruncated, of: Array(kernel.archive.dropLast(1536)), as: identity)
        var hostile = TarForge()
        hostile.append(kernel.archive.dropLast(1024))
        hostile.addFile("../../etc/passwd", "root")
        try await expectRefusal(.archivePathParent, of: hostile.finished(), as: identity)
    }

    /// The store is as it was before, and takes the next upload.
    private func expectRefusal(_ code: ProblemCode, of archive: [UInt8], as identity: KernelIdentity) async throws {
        let known = try StoredKernel(id: 200, revision: 1)
        try await withTemporaryFolder { folder in
            let store = try HeaderStore(folder: folder.path("store"))
            try await store.put(known)
            let before = try await store.status()
            let problem = await #expect(throws: Problem.self) { try await store.put(archive, as: identity) }
            #expect(problem?.code == code)
            let after = try await store.status()
            #expect(after.kernels == 1 && after.blobs == before.blobs && after.packBytes == before.packBytes)
            try await store.requireNoStrays(in: folder.path("store"))
            try await store.requireWhole(known)
            #expect(try await store.put(try StoredKernel(id: 201, revision: 2)).isNew)
        }
    }
}
