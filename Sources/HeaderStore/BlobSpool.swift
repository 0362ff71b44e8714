internal import Glibc
internal import HeaderArchive
internal import KernelHeaders

/// Takes the files of an archive as they come and keeps those contents that the store lacks, in one file in the staging
/// folder: memory does not grow with the archive.
final class BlobSpool: TreeVisitor {
    /// A new blob, and where it lies in the spool.
    struct NewBlob {
        let path: HeaderPath
        let digest: Digest
        let offset: Int
        let length: Int
    }

    private(set) var newBlobs: [NewBlob] = []
    /// Where the store has each blob of the archive that it has already: in all places, the newest first.
    private(set) var known: [Digest: [BlobPlace]] = [:]
    /// The files that say which kernel this is, as far as they have come.
    private(set) var labels = TreeLabels()

    private let lookUp: (Digest) throws -> [BlobPlace]
    private let reserve: (Int) throws -> Void
    private let files: any FileSystem
    private let path: String
    private let file: any WritableFile
    private var spooled: Set<Digest> = []
    private var fileStart = 0
    private var end = 0

    /// - Parameters:
    ///   - lookUp: where the store has a blob; nowhere if it lacks it.
    ///   - reserve: is asked before bytes are written, and throws if the disk has no room for them.
    init(
        files: any FileSystem, layout: StoreLayout, lookUp: @escaping (Digest) throws -> [BlobPlace],
        reserve: @escaping (Int) throws -> Void
    ) throws {
        self.files = files
        self.lookUp = lookUp
        self.reserve = reserve
        path = layout.stagingFile("blobs")
        file = try files.create(path)
    }

    func beginFile(_ path: HeaderPath, size: Int, executable: Bool) throws {
        try reserve(size)
        fileStart = end
        labels.begin(path)
    }

    func write(_ bytes: UnsafeRawBufferPointer) throws {
        try file.write(bytes)
        end += bytes.count
        labels.append(bytes)
    }

    func endFile(_ path: HeaderPath, digest: Digest) throws {
        labels.end()
        if !spooled.contains(digest), known[digest] == nil {
            let places = try lookUp(digest)
            if !places.isEmpty {
                known[digest] = places
            } else {
                spooled.insert(digest)
                newBlobs.append(NewBlob(path: path, digest: digest, offset: fileStart, length: end - fileStart))
                return
            }
        }
        // Not new after all: the next file is written over it.
        if end > fileStart { try file.truncate(to: fileStart) }
        end = fileStart
    }

    /// Must be called before ``contents(of:)``: writes out what the file holds back.
    func finish() throws { try file.truncate(to: end) }

    func contents(of blob: NewBlob) throws -> [UInt8] {
        try [UInt8](unsafeUninitializedCapacity: blob.length) { buffer, filled in
            while filled < blob.length {
                let piece = UnsafeMutableRawBufferPointer(
                    rebasing: UnsafeMutableRawBufferPointer(buffer)[filled..<blob.length])
                let read = try SystemCallError.check("pread", path) {
                    pread(file.descriptor, piece.baseAddress, piece.count, off_t(blob.offset + filled))
                }
                guard read > 0 else { throw SystemCallError(call: "pread", path: path, number: EIO) }
                filled += read
            }
        }
    }

    /// Removes the file.
    func discard() throws {
        try files.remove(path)
        // Closing writes out what is held back, which a full disk refuses; nobody needs it any more.
        try? file.close()
    }
}
