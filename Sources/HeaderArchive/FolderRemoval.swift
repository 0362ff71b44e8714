internal import Glibc

/// Removes folders with all that is in them. Follows no link, and is best effort: it cleans up while an error is on its way.
public enum FolderRemoval {
    /// Removes a folder; nothing happens if it is not there.
    public static func remove(_ path: String) {
        empty(path)
        rmdir(path)
    }

    /// Removes what is in a folder, read-only folders too.
    public static func empty(_ path: String) {
        let folder = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
        if folder >= 0 { empty(folder) }
    }

    /// Closes the descriptor.
    private static func empty(_ folder: CInt) {
        guard let stream = fdopendir(folder) else {
            close(folder)
            return
        }
        defer { closedir(stream) }
        // All names first: a folder that changes while it is read may be read twice, or in part.
        var names: [[CChar]] = []
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) {
                $0.prefix { $0 != 0 }.map { CChar(bitPattern: $0) }
            }
            let dot = CChar(UInt8(ascii: "."))
            if name != [dot], name != [dot, dot] { names.append(name + [0]) }
        }
        var isOpened = false
        for name in names {
            if unlinkat(folder, name, 0) == 0 { continue }
            if errno == EACCES, !isOpened {
                isOpened = true
                fchmod(folder, 0o700)
                if unlinkat(folder, name, 0) == 0 { continue }
            }
            let child = openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
            guard child >= 0 else { continue }
            empty(child)
            unlinkat(folder, name, AT_REMOVEDIR)
        }
    }
}
