import HeaderArchive
import KHeaderTestSupport
import KernelHeaders
import OperatorDocuments
import Testing

@testable import HeaderStore

/// Promise 1 for what keeps a store well: a collect, a repack, or a verify that found damage, that is killed at any step loses
/// nothing that was whole, serves nothing that was not, and is done the next time.
@Suite struct CrashUpkeepTests {
    @Test func aCollectKilledAtAnyStepLosesNothing() async throws {
        let kernels = try (1...3).map { try StoredKernel(id: UInt8($0), revision: $0) }
        try await withTemporaryFolder { folder in
            let base = try await StoreWithKernel(kernels[0], in: folder)
            let store = try HeaderStore(folder: base.state)
            for kernel in kernels[1...] { try await store.put(kernel) }
            // Of the first, what others are compressed with stays; of the last, nothing does.
            for kernel in [kernels[0], kernels[2]] {
                try store.catalogue.write { try store.catalogue.purge(kernel.id, KernelMark(time: 0, reason: nil), $0) }
            }
            try store.close()
            let deaths = try await everyStep { step in
                let state = try base.copy(named: "\(step)")
                let end = try await CrashingProcess(["collect", state, "\(step)"]).end()
                // Every other time the catalogue is made again from what the crash left.
                if step % 2 == 0 {
                    let report = try CatalogueRebuild(folder: state, logger: .silent).run()
                    #expect(report.unusedPacks == [] && report.damagedPacks == [], "\(end)")
                }
                let store = try HeaderStore(folder: state)
                try await store.requireNoStrays(in: state)
                try await store.requireWhole(kernels[1])
                // What was not collected yet is in its pack still, and a rebuild finds it.
                for kernel in [kernels[0], kernels[2]] where try await store.has(kernel) {
                    #expect(step % 2 == 0)
                    try await store.requireWhole(kernel)
                    try store.catalogue.write {
                        try store.catalogue.purge(kernel.id, KernelMark(time: 0, reason: nil), $0)
                    }
                }
                _ = try await store.collect()
                try await store.requireNoStrays(in: state)
                #expect(try await store.status().trees == 1)
                #expect(try await store.verify().found == 0)
                for kernel in [kernels[0], kernels[2]] { #expect(try await store.put(kernel).isNew) }
                for kernel in kernels { try await store.requireWhole(kernel) }
                try store.close()
                return end
            }
            expectAllCalls(in: deaths, "create", "write", "sync", "close", "rename", "syncDirectory", "remove")
        }
    }

    @Test func aVerifyKilledAtAnyStepServesNoDamage() async throws {
        let kernels = try (1...2).map { try StoredKernel(id: UInt8($0), revision: $0) }
        try await withTemporaryFolder { folder in
            let base = try await StoreWithKernel(kernels[0], in: folder)
            let store = try HeaderStore(folder: base.state)
            try await store.put(kernels[1])
            try await store.put(btf: SmallBTF.bytes(), of: kernels[0].id)
            try store.close()
            for name in ["packs", "btf", "bundles"] {
                for file in try FolderListing.names(in: "\(base.state)/\(name)") {
                    let path = "\(base.state)/\(name)/\(file)"
                    var bytes = try FileSource(path: path).readAll()
                    bytes[bytes.count / 3] ^= 1
                    try TemporaryFolder.write(bytes, to: path)
                }
            }
            let deaths = try await everyStep { step in
                let state = try base.copy(named: "\(step)")
                let end = try await CrashingProcess(["verify", state, "\(step)"]).end()
                let store = try HeaderStore(folder: state)
                _ = try await store.verify()
                try await store.requireNoStrays(in: state)
                #expect(try await store.status().damagedKernels == 2)
                #expect(try await !store.artefacts(of: kernels[0].id).hasBTF)
                #expect(try await store.status().lostBTF == 1)
                #expect(try await store.verify().found == 0)
                for kernel in kernels { #expect(try await !store.put(kernel).isNew) }
                for kernel in kernels { try await store.requireWhole(kernel) }
                #expect(try await store.status().damagedKernels == 0)
                try store.close()
                return end
            }
            expectAllCalls(in: deaths, "create", "write", "sync", "close", "rename", "syncDirectory", "remove")
        }
    }

    @Test func aRepackKilledAtAnyStepLosesNothing() async throws {
        let kernels = [try StoredKernel(id: 1, large: 1), try StoredKernel(id: 2, revision: 2)]
        try await withTemporaryFolder { folder in
            let base = try await StoreWithKernel(kernels[0], in: folder)
            let store = try HeaderStore(folder: base.state)
            try await store.put(kernels[1])
            let before = try await store.status()
            #expect(before.loosePacks == 1)
            try store.close()
            let deaths = try await everyStep { step in
                let state = try base.copy(named: "\(step)")
                let end = try await CrashingProcess(["repack", state, "\(step)"]).end()
                // Every other time the catalogue is made again from what the crash left.
                if step % 2 == 0 {
                    let report = try CatalogueRebuild(folder: state, logger: .silent).run()
                    #expect(report.unusedPacks == [] && report.damagedPacks == [], "\(end)")
                }
                let store = try HeaderStore(folder: state)
                try await store.requireNoStrays(in: state)
                for kernel in kernels { try await store.requireWhole(kernel) }
                _ = try await store.repack()
                let status = try await store.status()
                #expect(status.loosePacks == 0 && status.packs == before.packs && status.packBytes < before.packBytes)
                try await store.requireNoStrays(in: state)
                #expect(try await store.verify().found == 0)
                try store.close()
                try ShellCommand("rm", "-r", state).output()
                return end
            }
            expectAllCalls(in: deaths, "create", "write", "sync", "close", "rename", "syncDirectory", "remove")
        }
    }

    /// The same where a kill shows nothing.
    @Test func aPowerLossAtAnyStepOfARepackLosesNothing() async throws {
        let kernels = [try StoredKernel(id: 1, large: 1), try StoredKernel(id: 2, revision: 2)]
        try await withTemporaryFolder { folder in
            let state = folder.path("store")
            let loss = PowerLoss(of: state, gallery: try folder.makeFolder("gallery"))
            let store = try HeaderStore(folder: state) { $0.files = loss.files }
            for kernel in kernels { try await store.put(kernel) }
            loss.watch()
            #expect(try await store.repack().packsRewritten == 1)
            try loss.takePicture()
            #expect(loss.pictures.count > 10)
            for picture in loss.pictures {
                let store = try HeaderStore(folder: picture)
                try await store.requireNoStrays(in: picture)
                for kernel in kernels { try await store.requireWhole(kernel) }
                _ = try await store.repack()
                #expect(try await store.status().loosePacks == 0)
                try await store.requireNoStrays(in: picture)
                try store.close()
            }
        }
    }

    @Test func aPowerLossAtAnyStepOfACollectLosesNothing() async throws {
        let kernels = try (1...3).map { try StoredKernel(id: UInt8($0), revision: $0) }
        try await withTemporaryFolder { folder in
            let state = folder.path("store")
            let loss = PowerLoss(of: state, gallery: try folder.makeFolder("gallery"))
            let store = try HeaderStore(folder: state) { $0.files = loss.files }
            for kernel in kernels { try await store.put(kernel) }
            for kernel in [kernels[0], kernels[2]] {
                try store.catalogue.write { try store.catalogue.purge(kernel.id, KernelMark(time: 0, reason: nil), $0) }
            }
            loss.watch()
            _ = try await store.collect()
            try loss.takePicture()
            #expect(loss.pictures.count > 10)
            for picture in loss.pictures {
                let store = try HeaderStore(folder: picture)
                try await store.requireNoStrays(in: picture)
                try await store.requireWhole(kernels[1])
                _ = try await store.collect()
                #expect(try await store.status().trees == 1)
                try await store.requireWhole(kernels[1])
                try store.close()
            }
        }
    }
}
