internal import Glibc
internal import HeaderArchive

/// Whose a store is: the user and the group of its folder. What root makes in there for a server that runs as another user has
/// to be theirs, or the server can't use it.
struct StoreOwner {
    private let user: uid_t
    private let group: gid_t

    /// - Throws: `SystemCallError`.
    init(of layout: StoreLayout) throws {
        var status = stat()
        try SystemCallError.check("stat", layout.root) { stat(layout.root, &status) }
        (user, group) = (status.st_uid, status.st_gid)
    }

    /// Makes files and folders theirs, durably, if this is root; what is not there, or is no file or folder, is passed over. So
    /// is a file with a second name: the folder's owner can give it one, and it may be another's.
    ///
    /// - Parameter paths: nothing in this process has a lock on them by `fcntl`, as SQLite has: it would be lost.
    /// - Throws: `SystemCallError`.
    func take(_ paths: [String]) throws {
        guard geteuid() == 0 else { return }
        for path in paths {
            let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
            if descriptor < 0, errno == ENOENT || errno == ELOOP { continue }
            try SystemCallError.check("open", path) { descriptor }
            defer { close(descriptor) }
            var status = stat()
            try SystemCallError.check("fstat", path) { fstat(descriptor, &status) }
            let isOwn =
                status.st_mode & S_IFMT == S_IFDIR || status.st_mode & S_IFMT == S_IFREG && status.st_nlink == 1
            guard isOwn, status.st_uid != user || status.st_gid != group else { continue }
            try SystemCallError.check("fchown", path) { fchown(descriptor, user, group) }
            try SystemCallError.check("fsync", path) { fsync(descriptor) }
        }
    }
}
