internal import Glibc
internal import HeaderArchive

/// A new folder that only this user can enter. Whoever makes it removes it, or gives it its final name.
public struct ScratchFolder: Sendable {
    /// Where it is.
    public let path: String

    /// - Parameter prefix: the path's beginning; six characters are added that make it unique.
    /// - Throws: `SystemCallError`.
    public init(prefix: String) throws {
        var template = Array("\(prefix)XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else {
            throw SystemCallError(call: "mkdtemp", path: "\(prefix)XXXXXX", number: errno)
        }
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// Where folders and files go that live as long as the program: `TMPDIR`, or `/tmp`.
    public static var parent: String {
        let variable = getenv("TMPDIR").map { String(cString: $0) } ?? ""
        return variable.isEmpty ? "/tmp" : variable
    }

    /// Renames the folder, readable by whom the process's umask allows. In one step: the name shows all of it, or
    /// nothing.
    ///
    /// - Parameter destination: on the same file system; nothing, or an empty folder.
    /// - Throws: `SystemCallError`; `ENOTEMPTY` or `EEXIST` if somebody else was first.
    public func publish(as destination: String) throws {
        // mkdtemp gave it 0700, whatever the umask.
        try SystemCallError.check("chmod", path) { chmod(path, 0o777 & ~Self.currentMask) }
        try SystemCallError.check("rename", destination) { rename(path, destination) }
    }

    /// Removes the folder and what is in it; nothing happens if it has its final name.
    public func remove() { FolderRemoval.remove(path) }

    // There is no call that only reads the mask. A file made by another thread in between gets the narrower one.
    private static var currentMask: mode_t {
        let mask = umask(0o077)
        umask(mask)
        return mask
    }
}
