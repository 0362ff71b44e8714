internal import Glibc
internal import HeaderArchive
internal import HeaderTransport
public import KernelHeaders
internal import PrecompiledHeaders

// ```
// CACHE/pch/BUILDID/KEY/stamp.json                                       a PCHRecord, with the manifest
// CACHE/pch/BUILDID/KEY/UMBRELLA.pch                                     the PCH, for clang
// CACHE/pch/BUILDID/KEY/stubs/include/linux/kconfig.h.pch/UMBRELLA.pch   the PCH, for bcc
// CACHE/pch/BUILDID/KEY/stubs/…                                          empty files where the headers in it were
// CACHE/pch/BUILDID/KEY/use                                              flock, as of trees
// CACHE/pch/.BUILDID.XXXXXX/, CACHE/pch/BUILDID/.KEY.XXXXXX/             what is being put together, or removed
// ```
//
// Made under the kernel's lock, as trees are. There is no short way past the bytes: each use reads and hashes them.
extension HeaderCache {
    /// Puts a PCH's bytes under the path.
    public typealias PCHFilling = @Sendable (_ path: String) async throws -> Void

    /// Good PCHs of a kernel, the smallest first.
    ///
    /// - Parameters:
    ///   - mark: a text that is in the records of those that are wanted; others are not looked into.
    ///   - isWanted: decides by the record; only of those that are wanted the files are read. Those that are damaged are
    ///     removed.
    public func pch(
        of id: BuildID, naming mark: String? = nil, where isWanted: @Sendable (PCHRecord) -> Bool
    ) async throws -> CachedPCH? {
        let found = try pchRecords(of: id, naming: mark).filter { $0.record.map(isWanted) ?? true }
        for file in found.sorted(by: { ($0.record?.manifest.bytes ?? 0) < ($1.record?.manifest.bytes ?? 0) }) {
            if file.record != nil, let entry = try await goodPCH(id, file.key, known: file) { return entry }
            notice("What the cache has as a PCH of \(id) was damaged, and is not used.")
            try await removeDamaged(id, file.key)
        }
        return nil
    }

    /// Makes an entry of a PCH, instead of one that is there.
    ///
    /// - Parameter fill: is called by one process at a time for each kernel; not if another has just made the same.
    /// - Throws: ``CacheError``, what `fill` throws, `SystemCallError`. Nothing half is left.
    public func addPCH(_ record: PCHRecord, fill: PCHFilling) async throws -> CachedPCH {
        let (id, key) = (record.identity.buildID, record.manifest.key)
        guard folder.isWritable else {
            throw CacheError.unwritable(path: folder.path, reason: String(cString: strerror(EACCES)))
        }
        do {
            let lock = try await lock(id)
            defer { withExtendedLifetime(lock) {} }
            if let entry = try await goodPCH(id, key), entry.record.manifest == record.manifest { return entry }
            try await makePCH(record, fill)
            if let entry = try await goodPCH(id, key) { return entry }
        } catch let error as SystemCallError where error.isDiskFull {
            throw CacheError.full(path: folder.path)
        } catch let problem as Problem where problem.code == .diskFull {
            throw CacheError.full(path: folder.path)
        }
        throw CacheError.unwritable(path: folder.path, reason: "the PCH of \(id) was damaged while it was written")
    }

    /// What is said of a PCH, as it was read.
    struct RecordFile {
        let key: Digest
        /// Nil if there is none.
        let bytes: [UInt8]?
        /// Nil if the bytes are no record of this PCH.
        let record: PCHRecord?
    }

    /// What is said of the PCHs of a kernel.
    ///
    /// - Parameter mark: leaves out those whose records lack the text.
    func pchRecords(of id: BuildID, naming mark: String? = nil) throws -> [RecordFile] {
        let mark = mark.map { Array($0.utf8) }
        return try FolderListing.names(in: "\(folder.path)/pch/\(id)").compactMap { name in
            guard let key = Digest(name) else { return nil }
            let bytes = pchBytes(id, key)
            if let mark, let bytes, bytes.offset(of: mark) == nil { return nil }
            return RecordFile(key: key, bytes: bytes, record: bytes.flatMap { pchRecord($0, id, key) })
        }
    }

    func pchPath(_ id: BuildID, _ key: Digest) -> String { "\(folder.path)/pch/\(id)/\(key)" }

    private func pchBytes(_ id: BuildID, _ key: Digest) -> [UInt8]? {
        SmallFile.bytes("\(pchPath(id, key))/\(CacheEntry.stampName)")
    }

    private func pchRecord(_ bytes: [UInt8], _ id: BuildID, _ key: Digest) -> PCHRecord? {
        guard let record = PCHRecord(bytes), record.identity.buildID == id, record.manifest.key == key else {
            return nil
        }
        return record
    }

    // MARK: Reading

    /// The entry if all of it is as its manifest says: the PCH byte for byte, and beside it the stubs and nothing else.
    ///
    /// - Parameters:
    ///   - known: what was read before the entry was held against removal; need not be understood again if it still says the
    ///     same.
    ///   - isUse: whether this is a use, for which it stays in the cache.
    /// - Returns: nil if it is not, or is being removed.
    func goodPCH(
        _ id: BuildID, _ key: Digest, known: RecordFile? = nil, isUse: Bool = true
    ) async throws -> CachedPCH? {
        let place = pchPath(id, key)
        guard access(place, F_OK) == 0 else { return nil }
        for path in ["\(folder.path)/pch", "\(folder.path)/pch/\(id)", place] { try CacheFolder.checkOwn(path) }
        let lock: FileLock?
        switch FileLock.attempt("\(place)/\(CacheEntry.useName)", LOCK_SH) {
        case .taken(let taken): lock = taken
        case .refused: return nil
        case .impossible: lock = nil
        }
        let bytes = pchBytes(id, key)
        let record = known?.bytes == bytes ? known?.record : bytes.flatMap { pchRecord($0, id, key) }
        guard let record else { return nil }
        let entry = CachedPCH(record, folder: place, lock: lock)
        let isGood = try await BlockingWork.run { try Self.isGood(entry, $0) }
        if isGood, isUse { entry.touch() }
        return isGood ? entry : nil
    }

    private static func isGood(_ entry: CachedPCH, _ cancellation: Cancellation) throws -> Bool {
        do {
            let manifest = entry.record.manifest
            guard try hash(entry.path, limit: manifest.bytes, cancellation) == manifest.digest else { return false }
            var expected: [String: Int] = [:]
            for path in manifest.stubs { expected[path] = 0 }
            for path in manifest.blocked { expected[path] = blocker(path).count }
            // bcc looks for it before it starts its compiler.
            if entry.record.isFoundByName { expected[CachedPCH.kconfig] = 0 }
            let stubs = CachedPCH.stubsName + "/"
            let place = CachedPCH.place(of: entry.record)
            let own = place.hasPrefix(stubs) ? String(place.dropFirst(stubs.count)) : nil
            if let own { expected[own] = manifest.bytes }
            let found = try FolderWalk.files(in: entry.stubs)
            guard found.count == expected.count else { return false }
            for (path, size) in found where expected[path] != size { return false }
            for path in manifest.blocked where try FileSource(path: "\(entry.stubs)/\(path)").readAll() != blocker(path)
            {
                return false
            }
            return true
        } catch let error as SystemCallError where ![ENOMEM, EMFILE, ENFILE].contains(error.number) {
            // Missing, of another kind, or on a disk that can't be read.
            return false
        } catch is Problem {
            return false
        }
    }

    private static func hash(_ path: String, limit: Int, _ cancellation: Cancellation) throws -> Digest? {
        let file = try SystemCallError.check("open", path) {
            Glibc.open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK)
        }
        defer { close(file) }
        var status = stat()
        guard fstat(file, &status) == 0, status.st_mode & S_IFMT == S_IFREG, status.st_size == limit else { return nil }
        var hash = SHA256Hash()
        var count = 0
        try FileSource(borrowing: file).drain(chunk: 1 << 18) { bytes in
            try cancellation.check()
            count += bytes.count
            // It grows while it is read.
            guard count <= limit else { throw SystemCallError(call: "read", path: path, number: EFBIG) }
            hash.update(bytes)
        }
        return hash.digest()
    }

    /// A file that a program would find before a stub, and which is not in the PCH: who includes it must have the headers.
    static func blocker(_ path: String) -> [UInt8] {
        Array("#error \"\(path) is not in the PCH (kheader)\"\n".utf8)
    }

    // MARK: Writing

    private func makePCH(_ record: PCHRecord, _ fill: PCHFilling) async throws {
        let id = record.identity.buildID
        let parent = try made("pch")
        try await BlockingWork.run { _ in try removeLeftovers(of: id, in: parent) }
        let scratch = try ScratchFolder(prefix: "\(parent)/.\(id).")
        do {
            try await BlockingWork.run { _ in try Self.makeStubs(record, in: scratch.path) }
            try await fill("\(scratch.path)/\(CachedPCH.place(of: record))")
            try await BlockingWork.run { cancellation in
                try cancellation.check()
                try write([], to: CacheEntry.useName, of: scratch.path, mode: 0o600)
                try write(record.encoded(), to: CacheEntry.stampName, of: scratch.path)
                try SystemCallError.check("chmod", scratch.path) { chmod(scratch.path, 0o755) }
                let kernel = try made("pch/\(id)")
                try removeLeftovers(in: kernel)
                let place = pchPath(id, record.manifest.key)
                let old = try setAside(place)
                defer { old?.remove() }
                try SystemCallError.check("rename", place) { rename(scratch.path, place) }
            }
        } catch {
            scratch.remove()
            throw error
        }
    }

    /// Every path was checked to be a header's, below the stubs; nothing that is there is followed.
    private static func makeStubs(_ record: PCHRecord, in folder: String) throws {
        let stubs = "\(folder)/\(CachedPCH.stubsName)"
        try SystemCallError.check("mkdir", stubs) { mkdir(stubs, 0o755) }
        var made: Set<String> = []
        func make(_ path: HeaderPath, _ bytes: [UInt8]) throws {
            for ancestor in path.ancestors where made.insert(ancestor.string).inserted {
                let path = "\(stubs)/\(ancestor)"
                try SystemCallError.check("mkdir", path) { mkdir(path, 0o755) }
            }
            let file = try SystemCallError.check("open", path.string) {
                Glibc.open("\(stubs)/\(path)", O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o444)
            }
            defer { close(file) }
            let sink = FileSink(borrowing: file)
            try sink.write(bytes)
            try sink.finish()
        }
        var paths = record.manifest.stubs
        if record.isFoundByName, !paths.contains(CachedPCH.kconfig) { paths.append(CachedPCH.kconfig) }
        do {
            for path in paths { try make(HeaderPath(named: Array(path.utf8)), []) }
            for path in record.manifest.blocked { try make(HeaderPath(named: Array(path.utf8)), blocker(path)) }
        } catch let error as SystemCallError where [EEXIST, ENOTDIR, EISDIR].contains(error.number) {
            throw TransportError.badAnswer(
                server: record.place, what: "a PCH's manifest with a path twice, or below a file")
        }
        guard record.isFoundByName else { return }
        let pch = "\(stubs)/\(CachedPCH.kconfig).pch"
        try SystemCallError.check("mkdir", pch) { mkdir(pch, 0o755) }
    }

    private func removeDamaged(_ id: BuildID, _ key: Digest) async throws {
        guard folder.isWritable else { return }
        let lock = try await lock(id)
        defer { withExtendedLifetime(lock) {} }
        // Another process may have made it anew.
        guard try await goodPCH(id, key) == nil else { return }
        try await BlockingWork.run { _ in try remove(pchPath(id, key)) }
    }

    /// What was on its way out of a kernel's folder when a process was killed; the kernel's lock is held.
    func removeLeftovers(in kernel: String) throws {
        for name in try FolderListing.names(in: kernel) where name.hasPrefix(".") {
            FolderRemoval.remove("\(kernel)/\(name)")
        }
    }
}
