internal import HeaderArchive
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
    private var closed = false
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

    deinit {
        // A file that can't be removed now is removed at the next start.
        if !closed { try? file.close() }
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
        closed = true
        return hash.digest()
    }

    private static func tooLarge(_ limit: Int) -> Problem {
        Problem(.uploadTooLarge, "The archive is over this server's limit of \(limit) bytes.")
    }
}
