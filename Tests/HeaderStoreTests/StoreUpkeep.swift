import HeaderArchive
import KHeaderTestSupport
import KernelHeaders
import OperatorDocuments
import Testing

@testable import HeaderStore

/// What tests of verify and collect do to a store.
extension HeaderStore {
    /// Removes a kernel, as an operator does; its tree and what is in that stay until a collect.
    func remove(_ kernel: StoredKernel) throws {
        try catalogue.write { try catalogue.purge(kernel.id, KernelMark(time: 0, reason: nil), $0) }
        try checkIns.headersChanged([kernel.id])
    }

    /// Whether an agent that offers the kernel's headers would be told to upload them.
    func wantsHeaders(of kernel: StoredKernel, host: UInt8) async throws -> Bool {
        let host = try #require(HostID(bytes: [UInt8](repeating: host, count: HostID.length)))
        let sighting = Sighting(
            host: host, bootID: "boot", agent: "test/1", kernel: KernelIdentity(buildID: kernel.id), steps: [],
            offers: [
                ArtefactOffer(
                    .headers, origin: .sysfs, bytes: kernel.archive.count, digest: Digest(of: kernel.archive))
            ])
        return try await checkIn(sighting).verdicts.first?.answer == .upload
    }

    /// Kernels of which something is lost, in the order of the build ID.
    func damaged() async throws -> [KernelEntry] {
        var query = KernelQuery()
        query.isDamaged = true
        return try await kernels(query).kernels.sorted { $0.identity.buildID < $1.identity.buildID }
    }

    /// That the store says itself that a kernel is damaged: a `StoreFlaw` would be wrong bytes that it took for good ones.
    func requireDamaged(_ kernel: StoredKernel) async throws {
        let problem = await #expect(throws: Problem.self) { try await requireWhole(kernel) }
        #expect(problem?.code == .storeDamaged)
    }
}

extension PackOnDisk {
    /// Flips a bit.
    func flip(at offset: Int) throws {
        var bytes = try self.bytes
        // Not 0x10, which says nothing in the first byte of a zstd frame.
        bytes[offset] ^= 1
        try overwrite(bytes)
    }
}
