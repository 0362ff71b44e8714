internal import HeaderArchive
internal import KernelHeaders

/// A derived file on its way to disk: room for it is reserved, and it is hashed and counted while it is written.
final class StagedDerivedFile: ByteSink {
    let path: String
    private let files: any FileSystem
    private let file: any WritableFile
    private let reservation: DiskBudget.Reservation
    private var hash = SHA256Hash()
    private(set) var length = 0
    private let grew: (_ length: Int) throws -> Void

    /// - Parameters:
    ///   - what: ends its name in the staging folder.
    ///   - grew: is told how many bytes were written, after each piece.
    init(
        _ what: String, files: any FileSystem, layout: StoreLayout, disk: DiskBudget,
        grew: @escaping (_ length: Int) throws -> Void = { _ in }
    ) throws {
        self.files = files
        self.grew = grew
        reservation = try disk.reserve(0)
        path = layout.stagingFile(what)
        file = try files.create(path)
    }

    func write(_ bytes: UnsafeRawBufferPointer) throws {
        try reservation.use(bytes.count)
        hash.update(bytes)
        length += bytes.count
        try file.write(bytes)
        try grew(length)
    }

    func finish() {}

    /// Makes the contents durable.
    ///
    /// - Returns: their SHA-256.
    func complete() throws -> Digest {
        try file.sync()
        try file.close()
        return hash.digest()
    }

    func discard() throws { try files.remove(path) }
}
