internal import Glibc
public import HeaderArchive
public import KernelHeaders

extension UploadFile {
    /// Packs a folder of headers into a `tar.zst`; the same files give the same bytes.
    ///
    /// The file has no name: nothing is left behind, whatever ends this process.
    ///
    /// - Parameters:
    ///   - progress: is told the bytes of headers packed so far.
    ///   - check: is given what was packed.
    /// - Throws: `SystemCallError`; `Problem` with an `archive-…` code; `CancellationError`; what `check` throws.
    public convenience init(
        packing folder: HeaderFolder, name: String, cancellation: Cancellation,
        progress: TransferProgress? = nil, check: (TreeManifest) throws -> Void = { _ in }
    ) throws {
        let descriptor = try Self.namelessFile()
        do {
            let compressor = try ZstdSink(FileSink(borrowing: descriptor), level: 3)
            let sink = WatchedSink(compressor, cancellation: cancellation, progress: progress)
            try check(try TreeArchiver.write(folder, to: sink))
        } catch {
            close(descriptor)
            throw error
        }
        try self.init(owning: descriptor, name: name, cancellation: cancellation)
    }

    /// Bytes in memory, such as a kernel's BTF out of its image.
    ///
    /// - Throws: `SystemCallError`; `CancellationError`.
    public convenience init(bytes: [UInt8], name: String, cancellation: Cancellation) throws {
        let descriptor = try Self.namelessFile()
        do {
            let sink = FileSink(borrowing: descriptor)
            try sink.write(bytes)
            try sink.finish()
        } catch {
            close(descriptor)
            throw error
        }
        try self.init(owning: descriptor, name: name, cancellation: cancellation)
    }

    // O_TMPFILE would do the same, but not on every file system.
    private static func namelessFile() throws -> CInt {
        let file = try ScratchFile(prefix: "\(ScratchFolder.parent)/kheader.")
        unlink(file.path)
        return file.descriptor
    }
}

/// Counts what passes, and stops when nobody waits for it any more.
private final class WatchedSink: ByteSink {
    private let sink: any ByteSink
    private let cancellation: Cancellation
    private let progress: TransferProgress?
    private var count = 0

    init(_ sink: any ByteSink, cancellation: Cancellation, progress: TransferProgress?) {
        self.sink = sink
        self.cancellation = cancellation
        self.progress = progress
    }

    func write(_ bytes: UnsafeRawBufferPointer) throws {
        try cancellation.check()
        try sink.write(bytes)
        count += bytes.count
        progress?(count, nil)
    }

    func finish() throws { try sink.finish() }
}
