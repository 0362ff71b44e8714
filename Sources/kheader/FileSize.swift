internal import Glibc
internal import HeaderArchive

enum FileSize {
    /// In bytes.
    ///
    /// - Throws: `SystemCallError`.
    static func of(_ path: String) throws -> Int {
        var status = stat()
        try SystemCallError.check("stat", path) { stat(path, &status) }
        return Int(status.st_size)
    }

    /// Whether it can be read more than once: no pipe, no device.
    ///
    /// - Throws: `SystemCallError`.
    static func isRegular(_ path: String) throws -> Bool {
        var status = stat()
        try SystemCallError.check("stat", path) { stat(path, &status) }
        return status.st_mode & S_IFMT == S_IFREG
    }
}
