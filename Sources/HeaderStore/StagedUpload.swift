public import HeaderArchive
public import KernelHeaders

/// An upload on its way to disk, hashed while it is written. Discarded when nobody holds it.
///
/// Used by one task at a time; not `Sendable` by itself, so it is handed on.
public final class StagedUpload: @unchecked Sendable {
    let path: String
    private let files: any FileSystem
    private let file: any WritableFile
    private let limit: Int
    private let reservation: DiskBudget.Reservation
    private var hash = SHA256Hash()
    private var isClosed = false
    private var isDiscarded = false
    /// Bytes written so far.
    public private(set) var length = 0

    init(files: any FileSystem, layout: StoreLayout, disk: DiskBudget, expecting: Int?, limit: Int) throws {
        if let expecting, expecting > limit { throw Self.tooLarge(limit) }
        self.files = files
        self.limit = limit
        reservation = try disk.reserve(expecting ?? 0)
        path = layout.stagingFile("upload")
        file = try files.create(path)
    }

    deinit { discard() }

    /// Removes the file, if it is still there.
    public func discard() {
        guard !isDiscarded else { return }
        isDiscarded = true
        // A file that can't be removed now is removed at the next start.
        if !isClosed { try? file.close() }
        try? files.remove(path)
    }

    /// - Throws: `Problem` with `upload-too-large` or `disk-full`.
    public func write(_ bytes: UnsafeRawBufferPointer) throws {
        length += bytes.count
        guard length <= limit else { throw Self.tooLarge(limit) }
        try reservation.use(bytes.count)
        hash.update(bytes)
        try file.write(bytes)
    }

    /// Ends the upload.
    ///
    /// - Returns: the SHA-256 of what was written.
    public func finish() throws -> Digest {
        try file.close()
        isClosed = true
        return hash.digest()
    }

    /// What was uploaded, from the front; after ``finish()``.
    ///
    /// - Throws: `SystemCallError`.
    public func source() throws -> any ByteSource { try FileSource(path: path) }

    private static func tooLarge(_ limit: Int) -> Problem {
        Problem(.uploadTooLarge, "The upload is over this server's limit of \(limit) bytes.")
    }
}
