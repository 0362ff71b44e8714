internal import Glibc
internal import KernelHeaders

/// The names in a folder.
package enum FolderListing {
    /// Names, `.` and `..` left out, in no order; none if there is no such folder.
    ///
    /// - Throws: ``SystemCallError``; `Problem` with `archive-path-not-utf8`.
    package static func names(in folder: String) throws -> [String] {
        guard let stream = opendir(folder) else {
            if errno == ENOENT || errno == ENOTDIR { return [] }
            throw SystemCallError(call: "opendir", path: folder, number: errno)
        }
        defer { closedir(stream) }
        var names: [String] = []
        errno = 0
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { Array($0.prefix { $0 != 0 }) }
            guard let text = String(validating: name, as: UTF8.self) else {
                throw HeaderPath.Flaw.notUTF8.problem(Array("\(folder)/".utf8) + name)
            }
            if text != ".", text != ".." { names.append(text) }
            errno = 0
        }
        guard errno == 0 else { throw SystemCallError(call: "readdir", path: folder, number: errno) }
        return names
    }
}
