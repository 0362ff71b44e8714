public import Glibc
internal import HeaderArchive

/// A folder of its own for one test, removed with everything in it when the object goes.
public final class TemporaryFolder: Sendable {
    /// Absolute, no slash at the end, no link in it.
    public let path: String

    /// Makes it below `$TMPDIR`, or `/tmp`.
    public init() throws {
        let parent = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
        var template = Array("\(parent)/kheader-test-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil, let real = realpath(template, nil) else {
            throw SystemCallError(call: "mkdtemp", path: parent, number: errno)
        }
        defer { free(real) }
        path = String(cString: real)
    }

    deinit { Self.remove(path.utf8CString.dropLast() + []) }

    /// The path of something in the folder.
    public func path(_ name: String) -> String { "\(path)/\(name)" }

    /// Makes a folder in it, and those above.
    ///
    /// - Returns: its path.
    @discardableResult
    public func makeFolder(_ name: String) throws -> String {
        try Self.makeFolders(path(name))
        return path(name)
    }

    /// Writes a file in the folder, and makes the folders above it.
    ///
    /// - Returns: its path.
    @discardableResult
    public func write(_ bytes: some Sequence<UInt8>, to name: String, mode: mode_t = 0o644) throws -> String {
        try Self.write(Array(bytes), to: path(name), mode: mode)
        return path(name)
    }

    /// What a file in the folder holds.
    public func read(_ name: String) throws -> [UInt8] { try FileSource(path: path(name)).readAll() }

    /// The names in one of its folders, sorted.
    public func names(in name: String = ".") -> [String] { Self.names(in: Array(path(name).utf8CString)).sorted() }
}

/// Runs a test's body with a folder of its own. Not just `TemporaryFolder()`: an object is gone after its last use, which
/// may be before the last use of its path.
public func withTemporaryFolder<Value>(_ body: (TemporaryFolder) throws -> Value) throws -> Value {
    let folder = try TemporaryFolder()
    return try withExtendedLifetime(folder) { try body(folder) }
}

/// Runs an asynchronous test's body with a folder of its own.
public func withTemporaryFolder<Value>(
    isolation: isolated (any Actor)? = #isolation, _ body: (TemporaryFolder) async throws -> Value
) async throws -> Value {
    let folder = try TemporaryFolder()
    let value = try await body(folder)
    withExtendedLifetime(folder) {}
    return value
}

extension TemporaryFolder {
    /// Writes a file anywhere, and makes the folders above it. The mode is as given, whatever the umask.
    public static func write(_ bytes: [UInt8], to path: String, mode: mode_t = 0o644) throws {
        let bytesOfPath = Array(path.utf8)
        if let slash = bytesOfPath.lastIndex(of: UInt8(ascii: "/")), slash > 0 {
            try makeFolders(String(decoding: bytesOfPath[..<slash], as: UTF8.self))
        }
        let descriptor = try SystemCallError.check("open", path) {
            open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode)
        }
        defer { close(descriptor) }
        try SystemCallError.check("fchmod", path) { fchmod(descriptor, mode) }
        let sink = FileSink(borrowing: descriptor)
        try sink.write(bytes)
        try sink.finish()
    }

    /// Makes a folder and those above it, as `mkdir -p` does.
    public static func makeFolders(_ path: String) throws {
        guard mkdir(path, 0o755) != 0, errno != EEXIST else { return }
        let bytes = Array(path.utf8)
        guard errno == ENOENT, let slash = bytes.lastIndex(of: UInt8(ascii: "/")), slash > 0 else {
            throw SystemCallError(call: "mkdir", path: path, number: errno)
        }
        try makeFolders(String(decoding: bytes[..<slash], as: UTF8.self))
        try SystemCallError.check("mkdir", path) { mkdir(path, 0o755) }
    }

    /// Names that are not UTF-8 come out repaired; only ``remove(_:)`` meets such.
    private static func names(in folder: [CChar]) -> [String] {
        rawNames(in: folder).map { String(decoding: $0.map { UInt8(bitPattern: $0) }, as: UTF8.self) }
    }

    private static func rawNames(in folder: [CChar]) -> [[CChar]] {
        guard let stream = opendir(folder) else { return [] }
        defer { closedir(stream) }
        var names: [[CChar]] = []
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { field in
                field.prefix { $0 != 0 }.map { CChar(bitPattern: $0) }
            }
            let isDots = name == [0x2E] || name == [0x2E, 0x2E]
            if !isDots { names.append(name) }
        }
        return names
    }

    /// Removes what is there, links themselves and not what they mean.
    private static func remove(_ path: [CChar]) {
        var status = stat()
        guard lstat(path + [0], &status) == 0 else { return }
        guard status.st_mode & S_IFMT == S_IFDIR else {
            unlink(path + [0])
            return
        }
        // Tests make folders that nobody may write to.
        chmod(path + [0], 0o700)
        for name in rawNames(in: path + [0]) { remove(path + [0x2F] + name) }
        rmdir(path + [0])
    }
}
