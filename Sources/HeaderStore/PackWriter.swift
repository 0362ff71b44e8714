internal import HeaderArchive
internal import KernelHeaders

/// Writes one pack into the staging folder, hashing as it goes; ``commit(to:)`` makes it durable under its name.
final class PackWriter {
    private let files: any FileSystem
    private let path: String
    private let file: any WritableFile
    private var hash = SHA256Hash()
    private(set) var length = 0
    private(set) var index = PackIndex()
    /// Once it is durable under it.
    private(set) var name: Digest?
    private var isSealed = false

    /// - Parameter replacing: the packs that this one takes the place of; nil for new contents.
    init(files: any FileSystem, layout: StoreLayout, replacing: [Digest]? = nil) throws {
        self.files = files
        index.replaced = replacing
        if replacing != nil { index.random = .random(in: 0...Int.max) }
        path = layout.stagingFile("pack")
        file = try files.create(path)
        do {
            try put(replacing == nil ? PackIndex.magic : PackIndex.rewrittenMagic)
        } catch {
            try abandon()
            throw error
        }
    }

    /// Adds a block.
    ///
    /// - Parameters:
    ///   - blobs: number, digest and length of each blob whose contents follow one another in `raw`.
    ///   - prefix: the numbers of older blobs, and their contents, to compress with; the depth that makes.
    func addBlock(
        _ raw: [UInt8], blobs: [(number: Int, digest: Digest, length: Int)], prefix: BlockPrefix, level: Int
    ) throws {
        try addBlock(
            try ZstdFrame.compress(raw, prefix: prefix.contents, level: level), rawLength: raw.count, blobs: blobs,
            depth: prefix.depth, prefix: prefix.numbers)
    }

    /// Adds a block that is compressed already.
    func addBlock(
        _ frame: [UInt8], rawLength: Int, blobs: [(number: Int, digest: Digest, length: Int)], depth: Int, prefix: [Int]
    ) throws {
        precondition(index.manifests.isEmpty, "blocks come before manifests")
        let block = index.blocks.count
        index.blocks.append(
            .init(
                offset: length, compressedLength: frame.count, rawLength: rawLength, depth: depth, prefix: prefix))
        var offset = 0
        for blob in blobs {
            index.blobs.append(
                .init(number: blob.number, digest: blob.digest, length: blob.length, block: block, offset: offset))
            offset += blob.length
        }
        try put(frame)
    }

    /// Adds a tree's manifest.
    ///
    /// - Parameter parent: the tree whose manifest's raw form is the prefix, and that form.
    func addManifest(
        _ manifest: StoredManifest, digest: Digest, files: Int, bytes: Int, parent: (digest: Digest, raw: [UInt8])?
    ) throws {
        let raw = manifest.encoded
        try addManifest(
            try ZstdFrame.compress(raw, prefix: parent?.raw ?? [], level: ZstdFrame.tight), rawLength: raw.count,
            digest: digest,
            files: files, bytes: bytes, parent: parent?.digest)
    }

    /// Adds a manifest that is compressed already.
    func addManifest(
        _ frame: [UInt8], rawLength: Int, digest: Digest, files: Int, bytes: Int, parent: Digest?
    ) throws {
        index.manifests.append(
            .init(
                offset: length, compressedLength: frame.count, rawLength: rawLength, digest: digest, files: files,
                bytes: bytes, parent: parent))
        try put(frame)
    }

    func addKernel(_ kernel: KernelRecord) { index.kernels.append(kernel) }

    /// Says what is not in the pack because it was damaged.
    func setLost(_ lost: PackIndex.Lost) { index.lost = lost }

    /// Adds packs that this one takes the place of, to those that it was begun with.
    func addReplaced(_ packs: [Digest]) { index.replaced = (index.replaced ?? []) + packs }

    /// Writes index and footer: ``length`` is the pack's then. A second time does nothing.
    func seal() throws {
        guard !isSealed else { return }
        isSealed = true
        let raw = try index.encoded()
        let frame = try ZstdFrame.compress(raw, level: ZstdFrame.tight)
        var footer: [UInt8] = []
        footer.appendLittleEndian(UInt64(length))
        footer.appendLittleEndian(UInt32(frame.count))
        footer.appendLittleEndian(UInt32(raw.count))
        try put(frame)
        try put(footer + (index.replaced == nil ? PackIndex.endMagic : PackIndex.rewrittenEndMagic))
    }

    /// Seals the pack, syncs the file, renames it to its digest and syncs the folder.
    ///
    /// - Returns: the pack's name.
    func commit(to layout: StoreLayout) throws -> Digest {
        try seal()
        try file.sync()
        try file.close()
        let digest = hash.digest()
        try files.rename(path, to: layout.pack(digest))
        do {
            try files.syncDirectory(layout.packs)
        } catch {
            try files.remove(layout.pack(digest))
            throw error
        }
        name = digest
        return digest
    }

    /// Removes what was written.
    func abandon() throws { try files.remove(path) }

    private func put(_ bytes: [UInt8]) throws {
        try bytes.withUnsafeBytes {
            hash.update($0)
            try file.write($0)
        }
        length += bytes.count
    }
}

/// Older blobs that a block is compressed with.
struct BlockPrefix {
    static let none = BlockPrefix(numbers: [], contents: [], depth: 0)

    var numbers: [Int]
    var contents: [UInt8]
    /// Of the block that uses this prefix.
    var depth: Int
}
