internal import Glibc
public import HeaderArchive

/// A file that is fetched: it appears whole and verified under its name, or goes to standard output, or nothing does.
public enum DownloadedFile {
    /// Takes a source to its end, and can be called again from the start when a connection broke.
    public typealias Consumer = @Sendable (any ByteSource, Cancellation) throws -> Int

    /// - Parameters:
    ///   - destination: a path, where a file that is there, or that a link there leads to, is replaced; `-` for standard
    ///     output. That, and what is no regular file (a device, a FIFO), gets its bytes only when all have arrived and were
    ///     found right.
    ///   - fetch: hands the bytes to the consumer, and returns what that returns.
    /// - Returns: the size in bytes.
    /// - Throws: what `fetch` throws; `SystemCallError`.
    public static func save(
        to destination: String, _ fetch: (@escaping Consumer) async throws -> Int
    ) async throws -> Int {
        let destination = followed(destination)
        let isReplaced = try isReplaced(destination)
        let file = try ScratchFile(prefix: isReplaced ? "\(destination)." : "\(ScratchFolder.parent)/kheader.")
        defer { close(file.descriptor) }
        do {
            let size = try await fetch { try take($0, to: file, $1) }
            if isReplaced {
                try file.publish(as: destination)
            } else {
                unlink(file.path)
                try await BlockingWork.run { try give(file, to: destination, $0) }
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
        return try source.copy(to: FileSink(borrowing: file.descriptor), cancellation)
    }

    /// Where a link leads, if that is a regular file: it is that which is replaced, and the link stays.
    package static func followed(_ destination: String) -> String {
        var (link, file) = (stat(), stat())
        guard lstat(destination, &link) == 0, link.st_mode & S_IFMT == S_IFLNK, stat(destination, &file) == 0,
            file.st_mode & S_IFMT == S_IFREG, let path = realpath(destination, nil)
        else { return destination }
        defer { free(path) }
        return String(cString: path)
    }

    /// Whether the place is nothing yet, or a regular file: what may be replaced by another file. Standard output (`-`) is not.
    ///
    /// - Throws: `SystemCallError` if nothing can be there, or a folder is.
    package static func isReplaced(_ destination: String) throws -> Bool {
        guard destination != "-" else { return false }
        var status = stat()
        guard lstat(destination, &status) == 0 else {
            if errno == ENOENT, !destination.isEmpty { return true }
            throw SystemCallError(call: "open", path: destination, number: errno)
        }
        guard status.st_mode & S_IFMT != S_IFDIR else {
            throw SystemCallError(call: "open", path: destination, number: EISDIR)
        }
        return status.st_mode & S_IFMT == S_IFREG
    }

    private static func give(_ file: ScratchFile, to destination: String, _ cancellation: Cancellation) throws {
        lseek(file.descriptor, 0, SEEK_SET)
        let output = try Self.open(destination)
        defer { close(output) }
        try FileSource(borrowing: file.descriptor).copy(to: FileSink(borrowing: output), cancellation)
    }

    /// Opens a place that is not replaced: standard output, a device, a FIFO, what a link to nothing leads to.
    ///
    /// - Returns: a descriptor that the caller closes.
    /// - Throws: `SystemCallError`.
    package static func open(_ destination: String) throws -> CInt {
        try SystemCallError.check("open", destination) {
            destination == "-"
                ? fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3)
                : Glibc.open(destination, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        }
    }
}
