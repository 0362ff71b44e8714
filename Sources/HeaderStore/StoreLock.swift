internal import Glibc
internal import HeaderArchive
internal import KernelHeaders

/// Why a store can't be opened.
public struct StoreOpenError: Error, CustomStringConvertible {
    public let description: String
}

/// Holds a store's folder for one process: an `flock`, which a killed process leaves no trace of.
final class StoreLock: Sendable {
    private let descriptor: CInt

    private init(descriptor: CInt) { self.descriptor = descriptor }

    deinit {
        release()
        close(descriptor)
    }

    /// Lets others have the folder. Not left to closing the descriptor: a process that is being started at this moment has
    /// it too, until it is its own program.
    func release() { flock(descriptor, LOCK_UN) }

    /// Makes the folders that are missing and takes the lock.
    ///
    /// - Throws: ``StoreOpenError`` if another process has it, the layout is of another version, or there is something else.
    static func prepare(_ layout: StoreLayout, files: any FileSystem) throws -> StoreLock {
        try requireOwnFolder(layout)
        try files.makeDirectory(layout.root)
        for folder in StoreLayout.folders { try files.makeDirectory("\(layout.root)/\(folder)") }
        let descriptor = try SystemCallError.check("open", layout.lock) {
            open(layout.lock, O_RDWR | O_CREAT | O_CLOEXEC, mode_t(0o640))
        }
        let lock = StoreLock(descriptor: descriptor)
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            throw StoreOpenError(
                description: "\(layout.root) is in use by another kheaderd. Stop it, or name another folder.")
        }
        try checkVersion(layout, files: files)
        return lock
    }

    /// A folder with folders of others (`--state /etc`) is left alone. Those of a first start that was interrupted are not
    /// theirs, nor are those that file systems keep (`lost+found`, `.snapshot`, `#recycle`, `@eaDir`). A file may be the
    /// server's settings, its tokens or its log.
    private static func requireOwnFolder(_ layout: StoreLayout) throws {
        guard access(layout.root, F_OK) == 0, access(layout.versionFile, F_OK) != 0, access(layout.packs, F_OK) != 0
        else { return }
        let others: [String]
        do {
            others = try FolderListing.names(in: layout.root).filter { name in
                var status = stat()
                return !StoreLayout.folders.contains(name) && name != "lost+found" && !".#@".contains(name.prefix(1))
                    && lstat("\(layout.root)/\(name)", &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
            }
        } catch is Problem {
            others = ["or file whose name is no UTF-8"]
        }
        guard let first = others.min() else { return }
        throw StoreOpenError(
            description: "\(layout.root) is no store: there is a folder \(first) in it. "
                + "Name one without others' folders, or one that is not there yet: it is made.")
    }

    /// Nil only if there is no such file: what can't be read now may be another layout's.
    private static func versionFile(_ layout: StoreLayout) throws -> FileSource? {
        do {
            return try FileSource(path: layout.versionFile)
        } catch let error as SystemCallError where error.number == ENOENT {
            return nil
        }
    }

    private static func checkVersion(_ layout: StoreLayout, files: any FileSystem) throws {
        if let source = try versionFile(layout) {
            let version = String(decoding: try source.readAll(), as: UTF8.self).prefix { $0 != "\n" }
            guard version == StoreLayout.version else {
                throw StoreOpenError(
                    description:
                        "\(layout.root) has layout version \(version), and this kheaderd knows \(StoreLayout.version).")
            }
            return
        }
        // A crash may leave a file without its contents under the final name; a rename can't.
        let staged = layout.stagingFile("version")
        let file = try files.create(staged)
        try file.write(Array("\(StoreLayout.version)\n".utf8))
        try file.sync()
        try file.close()
        // The folder's own name, before the file that says that all is in place.
        do {
            try files.syncDirectory("\(layout.root)/..")
        } catch let error as SystemCallError where error.number == EACCES {
            // Then it is not ours to sync, and somebody else made the folder (systemd's StateDirectory).
        }
        try files.rename(staged, to: layout.versionFile)
        try files.syncDirectory(layout.root)
    }
}

extension WritableFile {
    func write(_ bytes: [UInt8]) throws { try bytes.withUnsafeBytes { try write($0) } }
}
