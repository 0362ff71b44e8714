internal import GRDB
internal import KernelHeaders

/// Reads a pack and all that is in it, and holds it against its digests.
struct PackExamination {
    let catalogue: Catalogue
    let layout: StoreLayout
    /// With blocks and descriptors of its own: those that clients need stay where they are.
    let reader: ContentReader

    init(catalogue: Catalogue, layout: StoreLayout) {
        self.catalogue = catalogue
        self.layout = layout
        reader = ContentReader(catalogue: catalogue, layout: layout)
    }

    /// What is damaged may have been moved meanwhile, unless this runs where ingests run.
    ///
    /// - Parameter wait: is told of the bytes of each piece before it is read.
    /// - Returns: nil if the pack is whole, or no longer there.
    func run(_ digest: Digest, _ wait: (_ bytes: Int) throws -> Void = { _ in }) throws -> Damage.Finding? {
        guard let pack = try catalogue.pool.read({ try catalogue.pack(digest, $0) }) else { return nil }
        var finding = Damage.Finding()
        let file = try PackReader.unlessDamaged { try PackReader(digest, layout: layout) }
        let isIntact = try Self.isGood { try file?.isIntact(pace: wait) ?? false }
        if let index = try PackReader.unlessDamaged({ try file?.readIndex() }) ?? nil {
            for blob in index.blobs {
                try wait(0)
                let location = BlobLocation(
                    number: blob.number, digest: blob.digest, length: blob.length, pack: pack.id, block: blob.block,
                    offset: blob.offset, isLost: false)
                if try !Self.isGood({ try reader.contents(location).count == blob.length }) {
                    finding.blobs.insert(blob.number)
                }
            }
        } else {
            finding.blobs = try catalogue.pool.read { try catalogue.blobs(ofPack: pack.id, $0) }
        }
        for tree in try catalogue.pool.read({ try catalogue.trees(ofPack: pack.id, $0) })
        where tree.damage != .manifest {
            try wait(0)
            if try !Self.isGood({ try reader.tree(tree.digest).row.digest == tree.digest }) {
                finding.trees.insert(tree.id)
            }
        }
        return isIntact && finding.blobs.isEmpty && finding.trees.isEmpty ? nil : finding
    }

    private static func isGood(_ body: () throws -> Bool) throws -> Bool {
        try PackReader.unlessDamaged(body) ?? false
    }
}
