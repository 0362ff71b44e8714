import HeaderArchive
import KHeaderTestSupport
import KernelHeaders
import Testing

@testable import HeaderStore

/// Promise 2: what is served is what was hashed. A flipped bit in a pack is found when it is read, and never served.
@Suite struct DamagedStoreTests {
    /// Where in a pack a bit is flipped.
    enum Place: CaseIterable {
        case magic, block, manifest, index, footer
    }

    @Test(arguments: Place.allCases)
    func aFlippedBitInAPackIsFoundAndNotServed(place: Place) async throws {
        try await withStore { state, first, second in
            let pack = try PackOnDisk.of(second, in: state)
            let range = try place.range(in: pack)
            for offset in stride(from: range.lowerBound, to: range.upperBound, by: max(1, range.count / 12)) {
                var bytes = try pack.bytes
                // Not 0x10, which says nothing in the first byte of a zstd frame, nor 1, which says nothing in that of a
                // block's modes.
                bytes[offset] ^= 4
                try await expectDamage(pack, bytes, in: state, to: second, butNotTo: first)
            }
        }
    }

    @Test func aPackThatEndsEarlyIsFound() async throws {
        try await withStore { state, first, second in
            let pack = try PackOnDisk.of(second, in: state)
            for length in [0, 7, 23, 24, pack.length / 2, pack.length - 1] {
                try await expectDamage(
                    pack, Array(try pack.bytes.prefix(length)), in: state, to: second, butNotTo: first)
            }
        }
    }

    @Test func bytesOfAnotherPackAreFound() async throws {
        try await withStore { state, first, second in
            let pack = try PackOnDisk.of(second, in: state)
            let other = try PackOnDisk.of(first, in: state)
            try await expectDamage(pack, try other.bytes, in: state, to: second, butNotTo: first)
        }
    }

    /// What leans on a damaged pack can't be read either, and is not guessed at.
    @Test func damageToAnAncestorIsDamageToItsChildren() async throws {
        try await withStore { state, first, second in
            let pack = try PackOnDisk.of(first, in: state)
            var bytes = try pack.bytes
            bytes[pack.index.blocks[0].offset + 20] ^= 1
            try pack.overwrite(bytes)
            let store = try HeaderStore(folder: state)
            await expectDamaged { try await store.requireWhole(first) }
            await expectDamaged { try await store.requireWhole(second) }
        }
    }

    @Test func aMissingPackIsToldAndTheOthersAreServed() async throws {
        try await withStore { state, first, second in
            try PosixFileSystem().remove(try PackOnDisk.of(second, in: state).path)
            let store = try HeaderStore(folder: state)
            try await store.requireWhole(first)
            await expectDamaged { try await store.requireWhole(second) }
        }
    }

    /// A store, closed, with a kernel and the next revision of it.
    private func withStore(
        _ body: (_ state: String, _ first: StoredKernel, _ second: StoredKernel) async throws -> Void
    ) async throws {
        let first = try StoredKernel(id: 1, revision: 1)
        let second = try StoredKernel(id: 2, revision: 2)
        try await withTemporaryFolder { folder in
            let store = try HeaderStore(folder: folder.path("store"))
            try await store.put(first)
            try await store.put(second)
            try store.close()
            try await body(folder.path("store"), first, second)
        }
    }

    /// Opens the store with other bytes in a pack, and puts the right ones back.
    private func expectDamage(
        _ pack: PackOnDisk, _ bytes: [UInt8], in state: String, to kernel: StoredKernel, butNotTo other: StoredKernel
    ) async throws {
        let good = try pack.bytes
        try pack.overwrite(bytes)
        let store = try HeaderStore(folder: state)
        try await store.requireWhole(other)
        await expectDamaged { try await store.requireWhole(kernel) }
        // A bundle that could not be built is not there, nor half of it.
        try store.close()
        #expect(try FolderListing.names(in: "\(state)/staging").isEmpty)
        try pack.overwrite(good)
        let healed = try HeaderStore(folder: state)
        try await healed.requireWhole(kernel)
        try healed.close()
    }

    /// That the store says so itself: a `StoreFlaw` would be wrong bytes that it took for good ones.
    private func expectDamaged(_ body: () async throws -> Void) async {
        let problem = await #expect(throws: Problem.self) { try await body() }
        #expect(problem?.code == .storeDamaged)
    }
}

extension DamagedStoreTests.Place {
    func range(in pack: PackOnDisk) throws -> Range<Int> {
        let footer = pack.length - PackIndex.footerLength
        let block = try #require(pack.index.blocks.last)
        let manifest = try #require(pack.index.manifests.first)
        return switch self {
        case .magic: 0..<PackIndex.magic.count
        case .block: block.offset..<block.offset + block.compressedLength
        case .manifest: manifest.offset..<manifest.offset + manifest.compressedLength
        case .index: manifest.offset + manifest.compressedLength..<footer
        case .footer: footer..<pack.length
        }
    }
}
