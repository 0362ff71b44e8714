internal import Glibc
internal import HeaderArchive

/// The user and the group whose a store's folder is.
public enum StoreOwner {
    /// Becomes them for good, if this is root: what it makes in the folder is theirs then, so that the server that runs as
    /// they can use it; and what they put there, such as a link, leads root to nothing that they could not write themselves.
    ///
    /// - Parameter folder: one that is not there is left to whoever asks for it next.
    /// - Throws: `SystemCallError`.
    public static func become(of folder: String) throws {
        var status = stat()
        guard geteuid() == 0, stat(folder, &status) == 0, status.st_uid != 0 || status.st_gid != 0 else { return }
        try SystemCallError.check("setgroups", folder) { setgroups(0, nil) }
        try SystemCallError.check("setgid", folder) { setgid(status.st_gid) }
        try SystemCallError.check("setuid", folder) { setuid(status.st_uid) }
    }
}
