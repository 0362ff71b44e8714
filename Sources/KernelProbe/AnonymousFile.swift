internal import CLinux
internal import Glibc
internal import HeaderArchive

/// A file without a name, in memory that is not mapped: an agent on a host whose folders are all read-only has no other.
enum AnonymousFile {
    /// - Parameter limit: the most bytes taken.
    /// - Throws: `SystemCallError`; ``ProbeError`` with `tooLarge`; what the source or `check` throws.
    static func copy(_ source: any ByteSource, limit: Int, _ check: CancellationCheck) throws -> FileBytes {
        let descriptor = try SystemCallError.check("memfd_create", nil) { khd_memory_file("kheaders") }
        do {
            let sink = FileSink(borrowing: descriptor)
            try LimitedSource(source, limit: limit).drain { piece in
                try check()
                try sink.write(piece)
            }
            try sink.finish()
        } catch {
            close(descriptor)
            throw error
        }
        return try FileBytes(owning: descriptor, name: "a file in memory")
    }
}
