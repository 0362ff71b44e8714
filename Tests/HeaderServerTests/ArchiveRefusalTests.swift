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

    /// The same with the limits that a server has, as the attacks come.
    @Test func aGigabyteOfZerosAndEveryTruncation() async throws {
        try await withRunningServer { server in
            try await server.upload(TestKernels.tar(), as: TestKernels.otherID)
            let before = try await server.snapshot()
            var header = TarForge.Header("include/zeros.h")
            header.size = TarForge.octal(1 << 30, digits: 11)
            let member = try CompressionTool.xz.compress([UInt8](repeating: 0, count: 16 << 20), ["-0"])
            let zeros = try CompressionTool.xz.compress(header.block) + (0..<64).flatMap { _ in member }
            try expect(await server.put(Self.path, zeros), refusesWith: .archiveFileTooLarge)
            let tar = TestKernels.tar()
            // The end mark's two blocks of zeros, and what pads the tar behind them.
            let end = tar.count - tar.reversed().prefix { $0 == 0 }.count
            for length in stride(from: 512, to: end, by: 512) {
                try expect(await server.put(Self.path, Array(tar.prefix(length))), refusesWith: .archiveTruncated)
            }
            #expect(try await server.snapshot() == before)
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
