internal import Glibc
internal import HeaderArchive

/// The file system of the machine.
public struct PosixFileSystem: FileSystem {
    public init() {}

    public func makeDirectory(_ path: String) throws {
        if mkdir(path, 0o750) != 0, errno != EEXIST { throw SystemCallError(call: "mkdir", path: path, number: errno) }
    }

    public func create(_ path: String) throws -> any WritableFile {
        let descriptor = try SystemCallError.check("open", path) {
            open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, mode_t(0o640))
        }
        return PosixFile(descriptor: descriptor, path: path)
    }

    public func rename(_ path: String, to target: String) throws {
        try SystemCallError.check("rename", path) { Glibc.rename(path, target) }
    }

    public func remove(_ path: String) throws {
        if unlink(path) != 0, errno != ENOENT { throw SystemCallError(call: "unlink", path: path, number: errno) }
    }

    public func syncDirectory(_ path: String) throws {
        let descriptor = try SystemCallError.check("open", path) { open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) }
        defer { close(descriptor) }
        try SystemCallError.check("fsync", path) { fsync(descriptor) }
    }
}

private final class PosixFile: WritableFile {
    private(set) var descriptor: CInt
    private let path: String
    private let sink: FileSink

    init(descriptor: CInt, path: String) {
        self.descriptor = descriptor
        self.path = path
        sink = FileSink(borrowing: descriptor)
    }

    /// The sink does not know the file's name, and a message without it helps nobody.
    private func named(_ body: () throws -> Void) throws {
        do { try body() } catch let error as SystemCallError where error.path == nil {
            throw SystemCallError(call: error.call, path: path, number: error.number)
        }
    }

    deinit { if descriptor >= 0 { Glibc.close(descriptor) } }

    func write(_ bytes: UnsafeRawBufferPointer) throws { try named { try sink.write(bytes) } }

    func truncate(to length: Int) throws {
        try named(sink.finish)
        try SystemCallError.check("ftruncate", path) { ftruncate(descriptor, off_t(length)) }
        try SystemCallError.check("lseek", path) { lseek(descriptor, off_t(length), SEEK_SET) }
    }

    func sync() throws {
        try named(sink.finish)
        try SystemCallError.check("fsync", path) { fsync(descriptor) }
    }

    func close() throws {
        try named(sink.finish)
        let closing = descriptor
        descriptor = -1
        try SystemCallError.check("close", path) { Glibc.close(closing) }
    }
}
