internal import Glibc
internal import HeaderArchive
internal import KernelHeaders

/// A folder's files and links as they lie on disk.
enum FolderWalk {
    /// What is below a folder.
    ///
    /// - Returns: a number that changes when anything there does, a file's contents, size, place, mode or time; and the
    ///   paths of all folders, each ended by a NUL. The number is made of what `lstat` says, change times (`ctime`) among
    ///   it, which no program can set; contents are not read. It finds accidents; who could forge it owns the folder.
    /// - Throws: `SystemCallError`.
    static func look(at folder: String) throws -> (fingerprint: UInt64, folders: [UInt8]) {
        var sum = try fingerprint(ofFile: folder)
        var paths: [UInt8] = []
        var known: [UInt64: [UInt8]] = [:]
        try walk(folder) { entry in
            // The sum does not depend on the order in which the file system lists.
            sum &+= fingerprint(entry.status, name: entry.name, parent: entry.parent)
            guard entry.status.st_mode & S_IFMT == S_IFDIR else { return }
            let name = UnsafeBufferPointer(start: entry.name, count: strlen(entry.name)).map { UInt8(bitPattern: $0) }
            let path = known[entry.parent].map { $0 + [UInt8(ascii: "/")] + name } ?? name
            known[UInt64(entry.status.st_ino)] = path
            paths += path + [0]
        }
        return (sum, paths)
    }

    /// A number that changes when something is added, removed or renamed below a folder: by the folders' own times. There
    /// are twenty times fewer of them than files.
    ///
    /// - Parameter paths: as ``look(at:)`` gives them.
    /// - Throws: `SystemCallError`.
    static func fingerprint(ofFolders paths: [UInt8], in folder: String) throws -> UInt64 {
        guard paths.last ?? 0 == 0 else { throw SystemCallError(call: "read", path: folder, number: EBADMSG) }
        var sum = try fingerprint(ofFile: folder)
        let top = try SystemCallError.check("open", folder) { Glibc.open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) }
        defer { close(top) }
        try paths.withUnsafeBytes { bytes in
            var start = 0
            while start < bytes.count, let base = bytes.baseAddress {
                let path = (base + start).assumingMemoryBound(to: CChar.self)
                var status = stat()
                try SystemCallError.check("fstatat", folder) { fstatat(top, path, &status, AT_SYMLINK_NOFOLLOW) }
                sum &+= fingerprint(status, name: path, parent: 0)
                start += strlen(path) + 1
            }
        }
        return sum
    }

    /// The same of a single file.
    static func fingerprint(ofFile path: String) throws -> UInt64 {
        var status = stat()
        try SystemCallError.check("lstat", path) { lstat(path, &status) }
        return fingerprint(status, name: "", parent: 0)
    }

    /// FNV-1a (64 bits), with a shift that lets high bits reach low ones.
    private static func fingerprint(_ status: stat, name: UnsafePointer<CChar>, parent: UInt64) -> UInt64 {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        func mix(_ value: UInt64) {
            hash = (hash ^ value) &* 0x0000_0100_0000_01b3
            hash ^= hash >> 29
        }
        mix(parent)
        mix(UInt64(status.st_ino))
        mix(UInt64(status.st_mode))
        mix(UInt64(status.st_uid))
        mix(UInt64(bitPattern: Int64(status.st_size)))
        mix(UInt64(bitPattern: Int64(status.st_ctim.tv_sec)))
        mix(UInt64(bitPattern: Int64(status.st_ctim.tv_nsec)))
        var byte = name
        while byte.pointee != 0 {
            mix(UInt64(UInt8(bitPattern: byte.pointee)))
            byte += 1
        }
        return hash
    }

    /// Reads all files and links below a folder.
    ///
    /// - Throws: `SystemCallError`; `Problem` if something there has no place in a tree; what `check` throws.
    static func manifest(of folder: String, check: () throws -> Void = {}) throws -> TreeManifest {
        var entries: [TreeManifest.Entry] = []
        var folders: [UInt64: String] = [:]
        try walk(folder) { entry in
            try check()
            let name = String(cString: entry.name)
            let path = folders[entry.parent].map { "\($0)/\(name)" } ?? name
            switch entry.status.st_mode & S_IFMT {
            case S_IFDIR: folders[UInt64(entry.status.st_ino)] = path
            case S_IFLNK:
                let target = try link(at: entry)
                entries.append(.init(path: try HeaderPath(named: Array(path.utf8)), kind: .link(target: target)))
            case S_IFREG:
                let (digest, size) = try hash(entry)
                entries.append(
                    .init(
                        path: try HeaderPath(named: Array(path.utf8)),
                        kind: .file(size: size, digest: digest, executable: entry.status.st_mode & 0o111 != 0)))
            default: throw Problem(.archiveEntryKind, "\(folder)/\(path) is neither a file, a link nor a folder.")
            }
        }
        return TreeManifest(entries: entries)
    }

    /// The regular files below a folder by their paths, and how large they are.
    ///
    /// - Throws: `SystemCallError`; `Problem` if something there is neither a file nor a folder.
    static func files(in folder: String) throws -> [String: Int] {
        var files: [String: Int] = [:]
        var folders: [UInt64: String] = [:]
        try walk(folder) { entry in
            let name = String(cString: entry.name)
            let path = folders[entry.parent].map { "\($0)/\(name)" } ?? name
            switch entry.status.st_mode & S_IFMT {
            case S_IFDIR: folders[UInt64(entry.status.st_ino)] = path
            case S_IFREG: files[path] = Int(entry.status.st_size)
            default: throw Problem(.archiveEntryKind, "\(folder)/\(path) is neither a file nor a folder.")
            }
        }
        return files
    }

    /// What the walk finds: folders before what is in them.
    struct Entry {
        /// The folder's inode number, 0 for the top.
        let parent: UInt64
        /// The folder's descriptor.
        let folder: CInt
        let name: UnsafePointer<CChar>
        let status: stat
    }

    private static func walk(_ top: String, _ body: (Entry) throws -> Void) throws {
        let descriptor = try SystemCallError.check("open", top) {
            open(top, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
        }
        try walk(descriptor, top, parent: 0, body)
    }

    /// Closes the descriptor.
    private static func walk(
        _ descriptor: CInt, _ path: String, parent: UInt64, _ body: (Entry) throws -> Void
    ) throws {
        guard let stream = fdopendir(descriptor) else {
            let number = errno
            close(descriptor)
            throw SystemCallError(call: "fdopendir", path: path, number: number)
        }
        defer { closedir(stream) }
        errno = 0
        while let entry = readdir(stream) {
            try withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                try pointer.withMemoryRebound(to: CChar.self, capacity: 256) { name in
                    if isDots(name) { return }
                    var status = stat()
                    try SystemCallError.check("fstatat", path) {
                        fstatat(descriptor, name, &status, AT_SYMLINK_NOFOLLOW)
                    }
                    try body(Entry(parent: parent, folder: descriptor, name: name, status: status))
                    guard status.st_mode & S_IFMT == S_IFDIR else { return }
                    let child = try SystemCallError.check("openat", path) {
                        openat(descriptor, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
                    }
                    try walk(child, path, parent: UInt64(status.st_ino), body)
                }
            }
            errno = 0
        }
        guard errno == 0 else { throw SystemCallError(call: "readdir", path: path, number: errno) }
    }

    private static func isDots(_ name: UnsafePointer<CChar>) -> Bool {
        let dot = CChar(UInt8(ascii: "."))
        return name[0] == dot && (name[1] == 0 || name[1] == dot && name[2] == 0)
    }

    private static func hash(_ entry: Entry) throws -> (KernelHeaders.Digest, size: Int) {
        let file = try SystemCallError.check("openat", String(cString: entry.name)) {
            openat(entry.folder, entry.name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC)
        }
        defer { close(file) }
        var hash = SHA256Hash()
        var size = 0
        try FileSource(borrowing: file).drain {
            hash.update($0)
            size += $0.count
        }
        return (hash.digest(), size)
    }

    private static func link(at entry: Entry) throws -> String {
        try withUnsafeTemporaryAllocation(of: CChar.self, capacity: HeaderPath.maximumLength + 1) { buffer in
            guard let start = buffer.baseAddress else { return "" }
            let count = try SystemCallError.check("readlinkat", String(cString: entry.name)) {
                readlinkat(entry.folder, entry.name, start, buffer.count)
            }
            return String(decoding: buffer.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self)
        }
    }
}
