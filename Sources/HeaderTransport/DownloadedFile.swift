internal import Glibc
public import HeaderArchive

/// A file that is fetched: it appears whole and verified under its name, or goes to standard output, or nothing does.
public enum DownloadedFile {
    /// Takes a source to its end, and can be called again from the start when a connection broke.
    public typealias Consumer = @Sendable (any ByteSource, Cancellation) throws -> Int

    /// - Parameters:
    ///   - destination: a path, where a file that is there is replaced; `-` for standard output, which gets its bytes
    ///     only when all have arrived and were found right.
    ///   - fetch: hands the bytes to the consumer, and returns what that returns.
    /// - Returns: the size in bytes.
    /// - Throws: what `fetch` throws; `SystemCallError`.
    public static func save(
        to destination: String, _ fetch: (@escaping Consumer) async throws -> Int
    ) async throws -> Int {
        let isStandardOutput = destination == "-"
        let file = try ScratchFile(prefix: isStandardOutput ? "\(ScratchFolder.parent)/kheader." : "\(destination).")
        defer { close(file.descriptor) }
        do {
            let size = try await fetch { try take($0, to: file, $1) }
            if isStandardOutput {
                unlink(file.path)
                try await BlockingWork.run { try give(file, $0) }
            } else {
                // mkstemp gave it 0600; headers are no secret.
                try SystemCallError.check("fchmod", destination) { fchmod(file.descriptor, 0o644) }
                try SystemCallError.check("rename", destination) { rename(file.path, destination) }
            }
            return size
        } catch {
            unlink(file.path)
            throw error
        }
    }

    private static func take(_ source: any ByteSource, to file: ScratchFile, _ cancellation: Cancellation) throws -> Int
    {
        try SystemCallError.check("ftruncate", file.path) { ftruncate(file.descriptor, 0) }
        lseek(file.descriptor, 0, SEEK_SET)
        let sink = FileSink(borrowing: file.descriptor)
        var size = 0
        try source.drain { bytes in
            try cancellation.check()
            try sink.write(bytes)
            size += bytes.count
        }
        try sink.finish()
        return size
    }

    private static func give(_ file: ScratchFile, _ cancellation: Cancellation) throws {
        lseek(file.descriptor, 0, SEEK_SET)
        let sink = FileSink(borrowing: STDOUT_FILENO)
        try FileSource(borrowing: file.descriptor).drain { bytes in
            try cancellation.check()
            try sink.write(bytes)
        }
        try sink.finish()
    }
}
