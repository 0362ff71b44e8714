internal import Glibc
internal import HeaderArchive

/// A file that is written under another name beside its place, and appears whole.
public enum StagedFile {
    /// Copies a file.
    ///
    /// - Parameter destination: is replaced if it is there, once the copy is safely on disk.
    /// - Returns: its size in bytes.
    /// - Throws: `SystemCallError`; `CancellationError`. Nothing is left then.
    public static func copy(_ origin: String, to destination: String, _ cancellation: Cancellation) throws -> Int {
        let source = try FileSource(path: origin)
        let file = try ScratchFile(prefix: "\(destination).")
        defer { close(file.descriptor) }
        do {
            let sink = FileSink(borrowing: file.descriptor)
            var size = 0
            try source.drain { bytes in
                try cancellation.check()
                try sink.write(bytes)
                size += bytes.count
            }
            try sink.finish()
            try SystemCallError.check("fsync", destination) { fsync(file.descriptor) }
            // mkstemp gave it 0600; headers are no secret.
            try SystemCallError.check("fchmod", destination) { fchmod(file.descriptor, 0o644) }
            try SystemCallError.check("rename", destination) { rename(file.path, destination) }
            return size
        } catch {
            unlink(file.path)
            throw error
        }
    }
}
