internal import Glibc
internal import HeaderArchive

/// The folder that a tree is to become.
struct TreeDestination: Sendable, Equatable {
    /// Absolute, without a slash at its end.
    let path: String

    /// - Throws: ``TreeFetchError`` if there is something already, or no folder to put it into.
    init(_ text: String) throws {
        var bytes = Array(text.utf8)
        while bytes.count > 1, bytes.last == UInt8(ascii: "/") { bytes.removeLast() }
        let slash = bytes.lastIndex(of: UInt8(ascii: "/"))
        let name = String(decoding: bytes[(slash.map { $0 + 1 } ?? 0)...], as: UTF8.self)
        guard !name.isEmpty, name != ".", name != ".." else {
            throw TreeFetchError.destinationUnusable(text, reason: "it has no name of its own; name a new folder")
        }
        let folder = slash.map { $0 == 0 ? "/" : String(decoding: bytes[..<$0], as: UTF8.self) } ?? "."
        guard let resolved = realpath(folder, nil) else {
            let reason = "\(folder): \(String(cString: strerror(errno))); make that folder first"
            throw TreeFetchError.destinationUnusable(text, reason: reason)
        }
        defer { free(resolved) }
        let parent = String(cString: resolved)
        path = parent == "/" ? "/\(name)" : "\(parent)/\(name)"
        try checkIsFree()
    }

    /// The beginning of the name under which the tree is put together: beside its place, so that a rename takes it
    /// there.
    var stagingPrefix: String {
        let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")) ?? path.startIndex
        return "\(path[...slash]).\(path[path.utf8.index(after: slash)...])."
    }

    private func checkIsFree() throws {
        var status = stat()
        guard lstat(path, &status) == 0 else {
            if errno == ENOENT { return }
            throw SystemCallError(call: "lstat", path: path, number: errno)
        }
        guard status.st_mode & S_IFMT == S_IFDIR, let stream = opendir(path) else {
            throw TreeFetchError.destinationTaken(path)
        }
        defer { closedir(stream) }
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { Array($0.prefix { $0 != 0 }) }
            guard name == Array(".".utf8) || name == Array("..".utf8) else {
                throw TreeFetchError.destinationTaken(path)
            }
        }
    }
}
