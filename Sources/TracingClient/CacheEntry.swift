internal import Glibc
internal import HeaderArchive
internal import KernelHeaders

/// An artefact in the cache that was found good. While this value lives no cleaning removes it.
public final class CacheEntry: Sendable {
    /// What the cache keeps of a kernel.
    public enum Artefact: String, Sendable, CaseIterable {
        /// A header tree: a folder.
        case headers
        /// The kernel's BTF: a file, as `/sys/kernel/btf/vmlinux` is.
        case btf
        /// Precompiled headers: a file, with empty ones in a folder beside it; there may be several of a kernel
        /// (``CachedPCH``).
        case pch

        /// Those of which a kernel has one.
        static let ofTrees: [Artefact] = [.headers, .btf]

        /// The artefact's name in its entry.
        var name: String {
            switch self {
            case .headers: "tree"
            case .btf: "vmlinux"
            case .pch: CachedPCH.stubsName
            }
        }
    }

    static let stampName = "stamp.json"
    static let foldersName = "folders"
    static let useName = "use"

    public let artefact: Artefact
    public let stamp: CacheStamp
    /// Absolute: of headers the tree's folder, of BTF the file.
    public let path: String
    /// Whether this process put it there.
    let isNew: Bool
    /// The entry's own folder.
    let folder: String
    /// On the file `use`; nil in another user's cache, which only that user cleans.
    private let lock: FileLock?

    init(artefact: Artefact, stamp: CacheStamp, folder: String, isNew: Bool, lock: FileLock?) {
        self.artefact = artefact
        self.stamp = stamp
        self.folder = folder
        path = "\(folder)/\(artefact.name)"
        self.isNew = isNew
        self.lock = lock
    }

    /// Makes the program that replaces this one (`execve`) keep the entry from being removed, for as long as it runs.
    ///
    /// - Throws: `SystemCallError`.
    public func keepAcrossExec() throws {
        guard let lock else { return }
        try SystemCallError.check("fcntl", path) { fcntl(lock.descriptor, F_SETFD, 0) }
    }

    /// Notes that the entry was used: the modification time of the file `use`.
    func touch() { if let lock { futimens(lock.descriptor, nil) } }
}
