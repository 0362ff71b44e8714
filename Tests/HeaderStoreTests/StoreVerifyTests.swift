import FoundationEssentials
import HeaderArchive
import KHeaderTestSupport
import KernelHeaders
import OperatorDocuments
import Synchronization
import Testing

@testable import HeaderStore

/// Promise 2: a flipped bit on disk is found by a verify, is never served as good, and heals from the next upload.
@Suite struct StoreVerifyTests {
    private let first: StoredKernel
    private let second: StoredKernel

    init() throws {
        first = try StoredKernel(id: 1, revision: 1)
        second = try StoredKernel(id: 2, revision: 2)
    }

    @Test func aWholeStoreIsReadAndFoundWhole() async throws {
        try await withStore { state, store in
            try await store.put(btf: SmallBTF.bytes(), of: first.id)
            _ = try await store.bundleBytes(first, .tarZstd)
            let status = try await store.status()
            let progress = try await store.verify()
            #expect(progress.state == .idle && progress.found == 0 && progress.round == 1 && progress.isOnDemand)
            #expect(progress.files == 4 && progress.allFiles == 4)
            #expect(progress.bytes == status.packBytes + status.btfBytes + status.bundleBytes)
            #expect(progress.started != nil && progress.ended != nil)
            try await store.requireNoStrays(in: state)
        }
    }

    @Test(arguments: DamagedStoreTests.Place.allCases)
    func aFlippedBitInAPackIsFoundAndHealsFromTheNextUpload(place: DamagedStoreTests.Place) async throws {
        try await withStore { state, store in
            let pack = try PackOnDisk.of(second, in: state)
            try pack.flip(at: try place.range(in: pack).lowerBound + 1)
            // While a server runs, with what it has in memory.
            let progress = try await store.verify()
            #expect(progress.found == 1)
            let finding = try #require(progress.findings.first)
            #expect(finding.kind == .pack && finding.name == "\(pack.digest).khpack")
            #expect(finding.kernels == [second.id] && finding.kernelCount == 1)
            if place == .block {
                #expect(finding.paths == ["include/linux/sched.h"])
            }
            #expect(try FolderListing.names(in: "\(state)/quarantine") == ["\(pack.digest).khpack"])

            try await store.requireWhole(first)
            try await store.requireDamaged(second)
            #expect(try await store.status().damagedKernels == 1)
            // What is good of it is in a pack of its own, which is whole: nothing more is found, now or after a rebuild.
            #expect(try await store.verify().found == 0)
            try store.close()
            #expect(try CatalogueRebuild(folder: state, logger: .silent).run().kernels == 2)
            let rebuilt = try HeaderStore(folder: state)
            try await rebuilt.requireNoStrays(in: state)
            try await rebuilt.requireWhole(first)
            try await rebuilt.requireDamaged(second)

            #expect(try await !rebuilt.wantsHeaders(of: first, host: 1))
            #expect(try await rebuilt.wantsHeaders(of: second, host: 1))
            let (receipt, isNew) = try await rebuilt.put(second)
            #expect(!isNew && receipt.treeDigest == second.manifest.digest)
            try await rebuilt.requireWhole(first)
            try await rebuilt.requireWhole(second)
            #expect(try await !rebuilt.wantsHeaders(of: second, host: 2))
            #expect(try await rebuilt.status().damagedKernels == 0)
            #expect(try await rebuilt.verify().found == 0)
            try rebuilt.close()
            #expect(try CatalogueRebuild(folder: state, logger: .silent).run().unusedPacks == [])
            let again = try HeaderStore(folder: state)
            try await again.requireNoStrays(in: state)
            for kernel in [first, second] { try await again.requireWhole(kernel) }
            try again.close()
        }
    }

    @Test func whatLeansOnDamageIsDamagedAndEachUploadHealsItsOwn() async throws {
        try await withStore { state, store in
            let third = try StoredKernel(id: 3, files: ["include/linux/other.h": Array("int other;\n".utf8)])
            try await store.put(third)
            let pack = try PackOnDisk.of(first, in: state)
            try pack.flip(at: pack.index.blocks[0].offset + 20)
            let progress = try await store.verify()
            #expect(Set(progress.findings.flatMap(\.kernels)) == [first.id, second.id])
            try await store.requireWhole(third)
            for kernel in [first, second] { try await store.requireDamaged(kernel) }
            try await store.put(second)
            try await store.requireWhole(second)
            try await store.requireDamaged(first)
            try await store.put(first)
            for kernel in [first, second, third] { try await store.requireWhole(kernel) }
            try await store.requireNoStrays(in: state)
            try store.close()
            #expect(try CatalogueRebuild(folder: state, logger: .silent).run().kernels == 3)
            let rebuilt = try HeaderStore(folder: state)
            for kernel in [first, second, third] { try await rebuilt.requireWhole(kernel) }
            try rebuilt.close()
        }
    }

    /// Another kernel that has the lost file brings it back.
    @Test func aNewKernelsUploadHealsAnothers() async throws {
        try await withStore { state, store in
            let pack = try PackOnDisk.of(first, in: state)
            try pack.flip(at: pack.index.blocks[0].offset + 20)
            _ = try await store.verify()
            try await store.put(try StoredKernel(id: 3, files: first.named))
            try await store.requireWhole(first)
            #expect(try await !store.wantsHeaders(of: first, host: 1))
            #expect(try await store.verify().found == 0)
        }
    }

    @Test func aMissingPackIsDamageToo() async throws {
        try await withStore { state, store in
            let pack = try PackOnDisk.of(second, in: state)
            try PosixFileSystem().remove(pack.path)
            #expect(try await store.verify().findings.map(\.kernels) == [[second.id]])
            try await store.requireDamaged(second)
            try await store.put(second)
            try await store.requireWhole(second)
            try await store.requireNoStrays(in: state)
        }
    }

    /// Of the kernels of two packs without an index, each goes with its tree's: where a crash lets only one of them be
    /// written anew, a rebuild finds that pack fit, and its kernels.
    @Test(arguments: [0, 1]) func kernelsOfAPackWithoutAnIndexGoWithTheirTrees(written: Int) async throws {
        let kernels = try (1...2).map { try StoredKernel(id: UInt8($0), files: ["include/\($0).h": [UInt8($0)]]) }
        // Its pack has nothing but the kernel.
        let twin = try StoredKernel(id: 3, files: ["include/2.h": [2]])
        try await withTemporaryFolder { folder in
            let state = folder.path("store")
            let store = try HeaderStore(folder: state)
            for kernel in kernels + [twin] { try await store.put(kernel) }
            let packs = try kernels.map { try PackOnDisk.of($0, in: state) }
            for pack in packs { try pack.flip(at: try DamagedStoreTests.Place.footer.range(in: pack).lowerBound) }
            let rewrite = PackRewrite(
                catalogue: store.catalogue, content: store.content, files: PosixFileSystem(), layout: store.layout,
                disk: store.disk, unsettled: store.unsettled)
            let damage = Damage(catalogue: store.catalogue, content: store.content)
            #expect(try damage.lose(packs[written].digest, by: rewrite) != nil)
            try store.close()
            let report = try CatalogueRebuild(folder: state, logger: .silent).run()
            #expect(report.damagedPacks == [packs[1 - written].digest])
            let rebuilt = try HeaderStore(folder: state)
            #expect(try await rebuilt.damaged().map(\.identity.buildID).first == kernels[written].id)
            try await rebuilt.put(kernels[written])
            try await rebuilt.requireWhole(kernels[written])
            try rebuilt.close()
        }
    }

    /// Once both are written anew, a rebuild finds all of their kernels, whatever lies where.
    @Test func packsWithoutAnIndexLoseNoKernels() async throws {
        let kernels = try (1...2).map { try StoredKernel(id: UInt8($0), files: ["include/\($0).h": [UInt8($0)]]) }
        let twins = try (3...4).map { try StoredKernel(id: UInt8($0), files: ["include/\($0 - 2).h": [UInt8($0 - 2)]]) }
        try await withTemporaryFolder { folder in
            let state = folder.path("store")
            let store = try HeaderStore(folder: state)
            for kernel in kernels + twins { try await store.put(kernel) }
            let packs = try [kernels[0], kernels[1], twins[0]].map { try PackOnDisk.of($0, in: state) }
            for pack in packs { try pack.flip(at: pack.length - 1) }
            #expect(try await store.verify().found == packs.count)
            try store.close()
            let report = try CatalogueRebuild(folder: state, logger: .silent).run()
            #expect(report.kernels == 4 && report.unusedPacks.isEmpty && report.damagedPacks.isEmpty)
            let rebuilt = try HeaderStore(folder: state)
            for kernel in kernels { try await rebuilt.put(kernel) }
            for kernel in kernels + twins { try await rebuilt.requireWhole(kernel) }
            try rebuilt.close()
        }
    }

    /// A collect beside it may have moved what was looked for: it is looked at again before anything is given up.
    @Test func whatIsWholeOnASecondLookStays() async throws {
        try await withStore { state, store in
            let packs = try PackOnDisk.all(in: state)
            let rewrite = PackRewrite(
                catalogue: store.catalogue, content: store.content, files: PosixFileSystem(), layout: store.layout,
                disk: store.disk, unsettled: store.unsettled)
            let damage = Damage(catalogue: store.catalogue, content: store.content)
            for pack in packs { #expect(try damage.lose(pack.digest, by: rewrite) == nil) }
            #expect(try FolderListing.names(in: "\(state)/quarantine") == [])
            for kernel in [first, second] { try await store.requireWhole(kernel) }
        }
    }

    @Test func damagedBTFGoesIntoQuarantineAndIsWantedAgain() async throws {
        try await withStore { state, store in
            let btf = SmallBTF.bytes(["task_struct"])
            try await store.put(btf: btf, of: second.id)
            let name = try #require(try FolderListing.names(in: "\(state)/btf").first)
            var bytes = try FileSource(path: "\(state)/btf/\(name)").readAll()
            bytes[bytes.count / 2] ^= 1
            try TemporaryFolder.write(bytes, to: "\(state)/btf/\(name)")
            let progress = try await store.verify()
            #expect(progress.findings.map(\.kind) == [.btf] && progress.findings.map(\.kernels) == [[second.id]])
            #expect(try await !store.artefacts(of: second.id).hasBTF)
            #expect(try FolderListing.names(in: "\(state)/quarantine") == [name])
            #expect(try await store.put(btf: btf, of: second.id).isNew)
            #expect(try await store.btf(of: second.id)?.bytes == btf)
            #expect(try await store.verify().found == 0)
        }
    }

    /// Whoever looks at a kernel sees what it has lost, until that is back: the list, its details, coverage.
    @Test func whatIsDamagedIsNamedUntilItIsBack() async throws {
        try await withStore { state, store in
            let third = try StoredKernel(id: 3, files: ["include/linux/other.h": Array("int other;\n".utf8)])
            try await store.put(third)
            try await store.put(btf: SmallBTF.bytes(), of: first.id)
            for kernel in [first, second, third] {
                _ = try await store.wantsHeaders(of: kernel, host: kernel.id.bytes[0])
            }
            #expect(try await store.damaged().isEmpty)
            let pack = try PackOnDisk.of(second, in: state)
            for block in pack.index.blocks { try pack.flip(at: block.offset + 1) }
            let name = try #require(try FolderListing.names(in: "\(state)/btf").first)
            try PosixFileSystem().remove("\(state)/btf/\(name)")
            #expect(try await store.verify().found == 2)
            try store.close()
            // Not in memory only.
            let next = try HeaderStore(folder: state)
            let damaged = try await next.damaged()
            #expect(damaged.map(\.identity.buildID) == [first.id, second.id])
            #expect(damaged.map(\.damaged) == [[.btf], [.headers]])
            let status = try await next.status()
            #expect(status.damagedKernels == 1 && status.lostBTF == 1)
            let detail = try await next.detail(of: second.id)
            #expect(detail.damage?.pathCount == 2)
            #expect(detail.damage?.paths == ["include/generated/utsrelease.h", "include/linux/sched.h"])
            #expect(detail.damage?.detail.contains("the contents of 2 of the \(second.contents.count) files") == true)
            let lost = try #require(try await next.detail(of: first.id).damage)
            #expect(lost.paths.isEmpty && lost.pathCount == 0 && lost.detail.contains("took its BTF."))
            #expect(try await next.detail(of: third.id).damage == nil)
            let gaps = try await next.coverage(limit: 9).gaps.filter { $0.loss != nil }
            #expect(Set(gaps.map(\.kernel.identity.buildID)) == [first.id, second.id])
            #expect(gaps.first { $0.kernel.identity.buildID == first.id }?.lacks == [.btf])
            #expect(gaps.first { $0.kernel.identity.buildID == second.id }?.lacks.contains(.headers) == true)
            try await next.put(second)
            try await next.put(btf: SmallBTF.bytes(), of: first.id)
            #expect(try await next.damaged().isEmpty)
            #expect(try await next.detail(of: second.id).damage == nil)
            #expect(try await next.coverage(limit: 9).gaps.allSatisfy { $0.loss == nil })
            try next.close()
        }
    }

    /// Without its manifest, nobody knows which files a tree had: it lacks all of them.
    @Test(arguments: [true, false])
    func aPackThatIsTruncatedOrGoneIsToldAsWhatItIs(isGone: Bool) async throws {
        try await withStore { state, store in
            let pack = try PackOnDisk.of(second, in: state)
            if isGone {
                try PosixFileSystem().remove(pack.path)
            } else {
                try pack.overwrite(Array(try pack.bytes.prefix(30)))
            }
            let finding = try #require(try await store.verify().findings.first)
            #expect(finding.lostManifests == 1 && finding.lostContents == 2 && finding.paths.isEmpty)
            #expect(
                finding.detail.hasPrefix(
                    "\(isGone ? "Its file was gone." : "It is in quarantine.") Lost of it: the contents of 2 files and 1 manifest."
                ), "\(finding.detail)")
            #expect(try FolderListing.names(in: "\(state)/quarantine").count == (isGone ? 0 : 1))
            let damage = try #require(try await store.detail(of: second.id).damage)
            #expect(damage.pathCount == 0 && damage.detail.contains("the list of its headers' files"))
            try await store.purge(second.id)
            #expect(try await store.damaged().isEmpty)
        }
    }

    /// A crash between the steps of the quarantine, or a file that somebody removed while no server ran.
    @Test func btfThatIsGoneAtTheStartIsLost() async throws {
        try await withStore { state, store in
            try await store.put(btf: SmallBTF.bytes(), of: first.id)
            try store.close()
            let name = try #require(try FolderListing.names(in: "\(state)/btf").first)
            try PosixFileSystem().remove("\(state)/btf/\(name)")
            let next = try HeaderStore(folder: state)
            #expect(try await next.damaged().map(\.damaged) == [[.btf]])
            try await next.purge(first.id)
            #expect(try await next.status().lostBTF == 0)
            try next.close()
        }
    }

    /// A kernel of which there was nothing but that goes as it would have gone with it.
    @Test func btfThatIsLostIsNotRememberedForEver() async throws {
        try await withTemporaryFolder { folder in
            let clock = Mutex(1_000_000)
            let state = folder.path("store")
            let store = try HeaderStore(folder: state) { $0.now = { clock.withLock { $0 } } }
            try await store.put(btf: SmallBTF.bytes(), of: first.id)
            try store.close()
            let name = try #require(try FolderListing.names(in: "\(state)/btf").first)
            try PosixFileSystem().remove("\(state)/btf/\(name)")
            let next = try HeaderStore(folder: state) { $0.now = { clock.withLock { $0 } } }
            #expect(try await next.status().lostBTF == 1)
            clock.withLock { $0 += 30 * 86_400 }
            var rules = RetentionRules()
            (rules.days, rules.newest) = (1, 0)
            #expect(try await next.prune(rules, isDryRun: false).removals.map(\.buildID) == [first.id])
            #expect(try await next.status().lostBTF == 0)
            try next.close()
        }
    }

    /// What a round found can be read after the next ones, which find nothing, and after a restart.
    @Test func findingsOutliveTheRoundsThatFindNothing() async throws {
        try await withStore { state, store in
            #expect(store.verification.lastFindings == nil && store.verification.lastWhole == nil)
            let pack = try PackOnDisk.of(second, in: state)
            try pack.flip(at: pack.index.blocks[0].offset + 20)
            // In the background.
            let turn = try #require(store.verifier.resume())
            try store.verifier.run(turn: turn, bytesPerSecond: 1 << 40)
            let found = try #require(store.verification.lastFindings)
            #expect(found.round == 1 && found.found == 1 && found.findings == store.verification.findings)
            for _ in 0..<2 { #expect(try await store.verify().found == 0) }
            #expect(store.verification.lastFindings == found)
            try store.close()
            let next = try HeaderStore(folder: state)
            #expect(next.verification.lastFindings == found && next.verification.round == 3)
            // While a round is under way, the end of the one before counts.
            let ended = try #require(next.verification.ended)
            #expect(next.verifier.begin() != nil)
            #expect(next.verification.ended == nil && next.verification.lastWhole == ended)
            #expect(next.verification.lastFindings == found)
            try next.close()
        }
    }

    @Test func aDamagedBundleIsDroppedAndMadeAgain() async throws {
        try await withStore { state, store in
            let bytes = try await store.bundleBytes(first, .tarZstd)
            let path = "\(state)/bundles/\(first.manifest.digest).tar.zst"
            var damaged = bytes
            damaged[bytes.count / 2] ^= 1
            try TemporaryFolder.write(damaged, to: path)
            let progress = try await store.verify()
            #expect(progress.findings.map(\.kind) == [.bundle] && progress.findings.map(\.kernelCount) == [0])
            #expect(try await store.status().bundleBytes == 0)
            #expect(try await store.bundleBytes(first, .tarZstd) == bytes)
            try await store.requireNoStrays(in: state)
        }
    }

    @Test(arguments: [".pch", ".pch.zst"])
    func aDamagedPCHIsDropped(suffix: String) async throws {
        try await withStore { state, store in
            let bytes = (0..<100_000).map { UInt8(truncatingIfNeeded: $0 &* $0 >> 7) }
            let path = "\(state)/../made"
            try TemporaryFolder.write(bytes, to: path)
            try await store.publishPCH(
                Digest(of: [1]), tree: first.manifest.digest, rank: "own", digest: Digest(of: bytes), document: "{}",
                from: path)
            let name = try #require(try FolderListing.names(in: "\(state)/pch").first { $0.hasSuffix(suffix) })
            var damaged = try FileSource(path: "\(state)/pch/\(name)").readAll()
            damaged[damaged.count / 2] ^= 1
            try TemporaryFolder.write(damaged, to: "\(state)/pch/\(name)")
            #expect(try await store.verify().findings.map(\.name) == [name])
            #expect(store.pch(Digest(of: [1])) == nil)
            try await store.requireNoStrays(in: state)
        }
    }

    /// What a round in the background has read is not read again after a restart.
    @Test func aRoundGoesOnWhereItWas() async throws {
        struct Document: Codable {
            var progress = StoreVerification()
            var place: String?
        }
        try await withStore { state, store in
            let packs = try PackOnDisk.all(in: state).map { ($0.digest, $0.length) }.sorted { "\($0.0)" < "\($1.0)" }
            var document = Document(place: "1/\(packs[0].0)")
            document.progress.round = 7
            document.progress.started = 1
            document.progress.files = 1
            document.progress.bytes = packs[0].1
            try store.catalogue.write { try store.catalogue.setUpkeep("verify", document, $0) }
            try store.close()
            let next = try HeaderStore(folder: state)
            let turn = try #require(next.verifier.resume())
            #expect(next.verifier.resume() == nil)
            try next.verifier.run(turn: turn, bytesPerSecond: 1 << 40)
            let progress = next.verification
            #expect(progress.round == 7 && progress.files == 2 && progress.allFiles == 2)
            #expect(progress.bytes == packs[0].1 + packs[1].1 && progress.ended != nil && !progress.isOnDemand)
            // The next one begins anew.
            #expect(next.verifier.resume() != nil)
            #expect(next.verification.round == 8 && next.verification.files == 0)
            try next.close()
        }
    }

    @Test func inTheBackgroundItRunsByItselfAndEndsWhenItIsTold() async throws {
        try await withTemporaryFolder { folder in
            let store = try HeaderStore(folder: folder.path("store")) { $0.verifyBytesPerSecond = 1 << 40 }
            try await store.put(first)
            let task = Task { await store.verifyForEver() }
            while store.verification.ended == nil { await Task.yield() }
            task.cancel()
            await task.value
            await store.stopUpkeep()
            #expect(store.verification.round == 1 && store.verification.files == 1 && !store.verification.isOnDemand)
            // Whoever wants more after that does not get it.
            await #expect(throws: CancellationError.self) { try await store.verify() }
            try store.close()
        }
    }

    /// At a byte a second, the first piece would take weeks: it is waited before, and a word ends that.
    @Test func theBudgetOfTheBackgroundIsWaitedFor() async throws {
        try await withStore { _, store in
            let turn = try #require(store.verifier.resume())
            let task = Task { try await store.verifies.run { try store.verifier.run(turn: turn, bytesPerSecond: 1) } }
            while store.verification.allFiles == 0 { await Task.yield() }
            #expect(store.verification.bytes == 0 && store.verification.state == .running)
            await store.stopUpkeep()
            await #expect(throws: CancellationError.self) { try await task.value }
            #expect(store.verification.bytes == 0 && store.verification.state == .idle)
            #expect(store.verification.ended == nil)
        }
    }

    @Test func oneRoundAtATimeAndAnOperatorsGoesFirst() async throws {
        try await withStore { _, store in
            let background = try #require(store.verifier.resume())
            let asked = try #require(store.verifier.begin())
            #expect(store.verifier.begin() == nil && store.verifier.resume() == nil)
            #expect(!store.startVerify().isNew)
            #expect(throws: CancellationError.self) {
                try store.verifier.run(turn: background, bytesPerSecond: nil)
            }
            try store.verifier.run(turn: asked, bytesPerSecond: nil)
            #expect(store.verification.files == 2 && store.verification.round == 2)
        }
    }

    /// Without room to write what is good anew, what is damaged is on record all the same.
    @Test func onAFullDiskDamageIsNotServedEither() async throws {
        try await withTemporaryFolder { folder in
            let state = folder.path("store")
            let free = SettableFlag()
            let store = try HeaderStore(folder: state) {
                $0.freeBytes = { free.isSet ? 0 : .max / 2 }
            }
            try await store.put(first)
            let pack = try PackOnDisk.of(first, in: state)
            try pack.flip(at: pack.index.blocks[0].offset + 20)
            free.isSet = true
            let problem = await #expect(throws: Problem.self) { try await store.verify() }
            #expect(problem?.code == .diskFull)
            #expect(store.verification.failure != nil && store.verification.state == .idle)
            #expect(try await store.status().damagedKernels == 1)
            free.isSet = false
            try await store.put(first)
            try await store.requireWhole(first)
            #expect(try await store.verify().found == 1)
            try await store.requireWhole(first)
            #expect(try await store.verify().found == 0)
            try await store.requireNoStrays(in: state)
        }
    }

    /// A store with a kernel and the next revision of it.
    private func withStore(_ body: (_ state: String, _ store: HeaderStore) async throws -> Void) async throws {
        try await withTemporaryFolder { folder in
            let store = try HeaderStore(folder: folder.path("store"))
            try await store.put(first)
            try await store.put(second)
            try await body(folder.path("store"), store)
        }
    }
}

extension StoredKernel {
    /// Its files, to make another kernel with them.
    fileprivate var named: [String: [UInt8]] {
        Dictionary(uniqueKeysWithValues: contents.map { ($0.key.string, $0.value) })
    }
}
