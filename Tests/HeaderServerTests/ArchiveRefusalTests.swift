import HeaderArchive
import HeaderStore
import KHeaderTestSupport
import KernelHeaders
import Testing

/// Every refusal of an archive comes through to the client, and leaves the store as it was.
@Suite struct ArchiveRefusalTests {
    private static let path = "/v1/kernels/\(TestKernels.id)/headers"

    @Test func everyAttackIsAnsweredWithItsCode() async throws {
        try await withRunningServer(options: HostileArchive.lower) { server in
            // Something is there that an attack could harm.
            try await server.upload(TestKernels.tar(), as: TestKernels.otherID)
            let before = try await server.snapshot()
            for code in HostileArchive.codes where code != .archiveTimeLimit {
                let archive = try #require(try HostileArchive.forged(for: code), "\(code)")
                let answer = try await server.put(Self.path, archive)
                try expect(answer, refusesWith: code)
                #expect(answer.status == (code == .archiveFormatUnknown ? 415 : 422))
                #expect(try await server.snapshot() == before, "\(code)")
            }
            // Without the attack, it is taken.
            #expect(try await server.put(Self.path, TestKernels.tar()).status == 201)
        }
    }

    @Test func anArchiveThatTakesTooLong() async throws {
        try await withRunningServer(options: { $0.limits.seconds = 0 }) { server in
            let before = try await server.snapshot()
            try expect(await server.put(Self.path, TestKernels.tar()), refusesWith: .archiveTimeLimit)
            #expect(try await server.snapshot() == before)
        }
    }
}
