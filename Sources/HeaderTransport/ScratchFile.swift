internal import Glibc
internal import HeaderArchive

/// A new file that only this user can read, open for reading and writing. Whoever makes it closes and removes it.
package struct ScratchFile {
    package let descriptor: CInt
    package let path: String

    /// - Parameter prefix: the path's beginning; six characters are added that make it unique.
    /// - Throws: `SystemCallError`.
    package init(prefix: String) throws {
        var template = Array("\(prefix)XXXXXX".utf8CString)
        descriptor = try SystemCallError.check("mkstemp", "\(prefix)XXXXXX") { mkstemp(&template) }
        // Programs that are started later must not inherit it.
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// Gives the file a name beside its own, where everybody may read it. A file that is there is replaced.
    ///
    /// - Throws: `SystemCallError`.
    package func publish(as destination: String, mode: UInt32 = 0o644) throws {
        // mkstemp gave it 0600; headers are no secret.
        try SystemCallError.check("fchmod", destination) { fchmod(descriptor, mode) }
        try SystemCallError.check("rename", destination) { rename(path, destination) }
    }
}
