import HeaderArchive
import KHeaderTestSupport
import KernelHeaders

@testable import HeaderStore

/// A pack of a store, as it lies on disk.
struct PackOnDisk {
    let digest: Digest
    let path: String
    let length: Int
    let index: PackIndex

    /// The packs of a store's folder; those with older blobs first.
    static func all(in folder: String) throws -> [PackOnDisk] {
        let layout = StoreLayout(root: folder)
        return try FolderListing.names(in: layout.packs).map { name in
            guard let digest = Digest(name.prefix { $0 != "." }) else {
                throw StoreFlaw(description: "\(name) is no pack")
            }
            let reader = try PackReader(digest, layout: layout)
            return PackOnDisk(
                digest: digest, path: layout.pack(digest), length: reader.length, index: try reader.readIndex())
        }.sorted { ($0.index.blobs.first?.number ?? .max) < ($1.index.blobs.first?.number ?? .max) }
    }

    /// The pack that came with a kernel.
    static func of(_ kernel: StoredKernel, in folder: String) throws -> PackOnDisk {
        guard let pack = try all(in: folder).first(where: { $0.index.kernels.first?.identity.buildID == kernel.id })
        else { throw StoreFlaw(description: "no pack has \(kernel.id)") }
        return pack
    }

    var bytes: [UInt8] { get throws { try FileSource(path: path).readAll() } }

    /// Writes other bytes under the pack's name.
    func overwrite(_ bytes: [UInt8]) throws { try TemporaryFolder.write(bytes, to: path) }
}

extension StoredTree {
    /// A kernel's tree, read with a catalogue of its own from a store that is closed.
    static func of(_ kernel: StoredKernel, in folder: String) throws -> StoredTree {
        let layout = StoreLayout(root: folder)
        let catalogue = try Catalogue(path: layout.catalogue)
        defer { try? catalogue.close() }
        return try ContentReader(catalogue: catalogue, layout: layout).tree(kernel.manifest.digest)
    }
}

extension StoredKernel {
    /// The digests of its files' contents.
    var blobs: Set<Digest> { Set(contents.values.map { Digest(of: $0) }) }
}
