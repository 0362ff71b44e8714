internal import Glibc
internal import HeaderArchive
internal import HeaderTransport
public import KernelHeaders

/// This host's kernel headers: one verified, read-only tree per build ID, one BTF, and some PCHs.
///
/// ```
/// CACHE/headers/BUILDID/tree/…        the tree
/// CACHE/headers/BUILDID/stamp.json    a CacheStamp
/// CACHE/headers/BUILDID/folders       the tree's folders, a NUL behind each
/// CACHE/headers/BUILDID/use           flock, shared: whoever uses the entry; its time is that of the last use
/// CACHE/btf/BUILDID/vmlinux           the kernel's BTF
/// CACHE/btf/BUILDID/stamp.json
/// CACHE/headers/.BUILDID.XXXXXX/      what is being put together, by whoever holds the lock
/// CACHE/bcc                           a BCCRecord
/// CACHE/pch/BUILDID/KEY/              a PCH and its stubs; see HeaderCache+pch.swift
/// CACHE/locks/BUILDID                 flock: whoever makes or mends an entry
/// ```
///
/// An entry is put together beside its place and renamed, so it is whole or absent. Many processes that want the same one
/// make it once: one has the kernel's lock, the others wait and find it. A killed process leaves no lock, and what it had
/// begun is removed by the next.
public struct HeaderCache: Sendable {
    /// Fills a new entry's folder with the artefact, under its name there: the folder `tree`, which is there and empty, or
    /// the file `vmlinux`.
    public typealias Filling = @Sendable (_ path: String) async throws -> CacheStamp

    public let folder: CacheFolder
    let bootID: String
    let notice: @Sendable (String) -> Void

    /// - Parameters:
    ///   - bootID: what tells this boot from another; empty if that is not known, and then entries are read each time.
    ///   - notice: is told in a sentence what takes time, or was found wrong.
    public init(
        _ folder: CacheFolder, bootID: String = Self.currentBoot(),
        notice: @escaping @Sendable (String) -> Void = { _ in }
    ) {
        self.folder = folder
        self.bootID = bootID
        self.notice = notice
    }

    /// Linux's name for this boot (`/proc/sys/kernel/random/boot_id`).
    public static func currentBoot() -> String {
        guard let bytes = try? FileSource(path: "/proc/sys/kernel/random/boot_id").readAll() else { return "" }
        return String(decoding: bytes.prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)
    }

    // MARK: Using

    /// What of an entry is looked at before it is taken for the one that was checked in this boot.
    public enum Look: Sendable {
        /// What was added, removed or renamed is seen.
        case folders
        /// What was changed in a file is seen, too.
        case files
    }

    /// The entry, if it was checked in this boot and has not changed since. No lock is waited for, and no file is read.
    ///
    /// - Parameter minimum: the least rank that will do.
    public func entry(
        _ artefact: CacheEntry.Artefact, of id: BuildID, minimum: HeaderSource? = nil, look: Look = .files
    ) -> CacheEntry? {
        guard let entry = try? open(artefact, id), entry.stamp.satisfies(minimum), entry.stamp.bootID == bootID,
            !bootID.isEmpty, isAsItWas(entry, look)
        else { return nil }
        entry.touch()
        return entry
    }

    /// Whether an entry has not changed since its contents were checked. No file is read.
    public func isAsItWas(_ entry: CacheEntry, _ look: Look = .files) -> Bool {
        guard look == .folders, entry.artefact == .headers else {
            return (try? Self.fingerprint(entry.artefact, at: entry.path)) == entry.stamp.fingerprint
        }
        guard let folders = try? FileSource(path: "\(entry.folder)/\(CacheEntry.foldersName)").readAll() else {
            return false
        }
        return (try? FolderWalk.fingerprint(ofFolders: folders, in: entry.path)) == entry.stamp.folders
    }

    /// The entry; if there is no good one, a new one.
    ///
    /// - Parameters:
    ///   - isReused: false to make a new one though there may be a good one.
    ///   - fill: is called by one process at a time for each kernel.
    /// - Throws: ``CacheError``, what `fill` throws, `SystemCallError`. Nothing half is left.
    public func entry(
        _ artefact: CacheEntry.Artefact, of id: BuildID, minimum: HeaderSource? = nil, isReused: Bool = true,
        look: Look = .files, orMake fill: Filling
    ) async throws -> CacheEntry {
        if isReused, let entry = entry(artefact, of: id, minimum: minimum, look: look) { return entry }
        guard folder.isWritable else {
            if isReused, let entry = try await mended(artefact, id, mayWrite: false), entry.stamp.satisfies(minimum) {
                return entry
            }
            throw CacheError.unwritable(path: folder.path, reason: String(cString: strerror(EACCES)))
        }
        do {
            let lock = try await lock(id)
            defer { withExtendedLifetime(lock) {} }
            if isReused, let entry = try await mended(artefact, id, mayWrite: true), entry.stamp.satisfies(minimum) {
                return entry
            }
            try await make(artefact, id, fill)
            if let entry = try open(artefact, id, isNew: true) { return entry }
        } catch let error as SystemCallError where error.isDiskFull {
            throw CacheError.full(path: folder.path)
        } catch let problem as Problem where problem.code == .diskFull {
            throw CacheError.full(path: folder.path)
        } catch let error as SystemCallError where error.number == EROFS {
            throw CacheError.unwritable(path: folder.path, reason: String(cString: strerror(EROFS)))
        }
        throw CacheError.unwritable(path: folder.path, reason: "the entry of \(id) went away at once")
    }

    /// Another process may be making the entry.
    func lock(_ id: BuildID) async throws -> FileLock {
        let path = "\(try made("locks", mode: 0o700))/\(id)"
        return try await BlockingWork.run { cancellation in
            try FileLock.exclusive(path, cancellation: cancellation) {
                notice("Another process is at work on the cache of \(id). Waiting for it.")
            }
        }
    }

    /// The entry if its contents are right: read in full, if it was not checked in this boot. One that is damaged is
    /// removed. The kernel's lock is held, or nothing may be written.
    func mended(_ artefact: CacheEntry.Artefact, _ id: BuildID, mayWrite: Bool) async throws -> CacheEntry? {
        let path = path(artefact, id)
        if let entry = entry(artefact, of: id) {
            // The list of folders may be what is missing.
            if mayWrite, !isAsItWas(entry, .folders) { try seal(entry.stamp, artefact, in: path) }
            return entry
        }
        guard let entry = try open(artefact, id) else {
            // Without a stamp of its own it is no entry.
            if mayWrite, try stamp(artefact, id) == nil { try await BlockingWork.run { _ in try remove(path) } }
            return nil
        }
        let digest = try await BlockingWork.run { try Self.digest(of: entry, $0) }
        guard digest == entry.stamp.digest else {
            notice("What the cache has as the \(artefact.rawValue) of \(id) was damaged, and is not used.")
            if mayWrite { try await BlockingWork.run { _ in try remove(path) } }
            return nil
        }
        guard mayWrite else { return entry }
        try seal(entry.stamp, artefact, in: path)
        return try open(artefact, id)
    }

    private func make(_ artefact: CacheEntry.Artefact, _ id: BuildID, _ fill: Filling) async throws {
        let place = path(artefact, id)
        let parent = try made(artefact.rawValue)
        try await BlockingWork.run { _ in try removeLeftovers(of: id, in: parent) }
        let scratch = try ScratchFolder(prefix: "\(parent)/.\(id).")
        do {
            let path = "\(scratch.path)/\(artefact.name)"
            if artefact == .headers { try SystemCallError.check("mkdir", path) { mkdir(path, 0o755) } }
            let filled = try await fill(path)
            precondition(filled.identity.buildID == id, "an entry of another kernel")
            try await BlockingWork.run { cancellation in
                try cancellation.check()
                if try isKept(artefact, id, filled, cancellation) { return scratch.remove() }
                try write([], to: CacheEntry.useName, of: scratch.path, mode: 0o600)
                try seal(filled, artefact, in: scratch.path)
                // mkdtemp gave it 0700; headers are no secret.
                try SystemCallError.check("chmod", scratch.path) { chmod(scratch.path, 0o755) }
                let old = try setAside(place)
                defer { old?.remove() }
                try SystemCallError.check("rename", place) { rename(scratch.path, place) }
            }
        } catch {
            scratch.remove()
            throw error
        }
    }

    /// Whether the very same is there already, and good: tools may be using it, so that it stays, under the new stamp.
    private func isKept(
        _ artefact: CacheEntry.Artefact, _ id: BuildID, _ new: CacheStamp, _ cancellation: Cancellation
    ) throws -> Bool {
        guard let entry = try open(artefact, id), entry.stamp.digest == new.digest,
            try Self.digest(of: entry, cancellation) == new.digest
        else { return false }
        try seal(new, artefact, in: entry.folder)
        return true
    }

    // MARK: Files

    func path(_ artefact: CacheEntry.Artefact, _ id: BuildID) -> String { "\(folder.path)/\(artefact.rawValue)/\(id)" }

    /// The entry if it has a stamp that is its own; its contents are not looked at. Holds it against removal.
    ///
    /// - Returns: nil also while it is being removed.
    /// - Throws: ``CacheError/unsafe(path:reason:)``; `SystemCallError` if the stamp can't be read.
    func open(_ artefact: CacheEntry.Artefact, _ id: BuildID, isNew: Bool = false) throws -> CacheEntry? {
        let place = path(artefact, id)
        guard access(place, F_OK) == 0 else { return nil }
        for path in ["\(folder.path)/\(artefact.rawValue)", place] { try CacheFolder.checkOwn(path) }
        let lock: FileLock?
        switch FileLock.attempt("\(place)/\(CacheEntry.useName)", LOCK_SH) {
        case .taken(let taken): lock = taken
        case .refused: return nil
        case .impossible: lock = nil
        }
        guard let stamp = try stamp(artefact, id) else { return nil }
        return CacheEntry(artefact: artefact, stamp: stamp, folder: place, isNew: isNew, lock: lock)
    }

    /// An entry's stamp; nil if there is none, or it is not this kernel's.
    ///
    /// - Throws: `SystemCallError`.
    func stamp(_ artefact: CacheEntry.Artefact, _ id: BuildID) throws -> CacheStamp? {
        do {
            let bytes = try FileSource(path: "\(path(artefact, id))/\(CacheEntry.stampName)").readAll()
            return CacheStamp(bytes).flatMap { $0.identity.buildID == id ? $0 : nil }
        } catch let error as SystemCallError where [ENOENT, ENOTDIR].contains(error.number) {
            return nil
        }
    }

    static func digest(of entry: CacheEntry, _ cancellation: Cancellation) throws -> KernelHeaders.Digest? {
        do {
            switch entry.artefact {
            case .headers: return try FolderWalk.manifest(of: entry.path, check: cancellation.check).digest
            case .btf, .pch:
                var hash = SHA256Hash()
                try FileSource(path: entry.path).drain { hash.update($0) }
                return hash.digest()
            }
        } catch let error as SystemCallError where ![ENOMEM, EMFILE, ENFILE].contains(error.number) {
            // Missing, of another kind, or on a disk that can't be read.
            return nil
        } catch is Problem {
            return nil
        }
    }

    /// Notes that the contents are right, in this boot.
    ///
    /// - Parameter entry: the folder of the entry.
    private func seal(_ stamp: CacheStamp, _ artefact: CacheEntry.Artefact, in entry: String) throws {
        let path = "\(entry)/\(artefact.name)"
        var stamp = stamp
        stamp.bootID = bootID
        switch artefact {
        case .headers:
            let tree = try FolderWalk.look(at: path)
            stamp.fingerprint = tree.fingerprint
            stamp.folders = try FolderWalk.fingerprint(ofFolders: tree.folders, in: path)
            try write(tree.folders, to: CacheEntry.foldersName, of: entry)
        case .btf, .pch: stamp.fingerprint = try FolderWalk.fingerprint(ofFile: path)
        }
        try write(try stamp.encoded(), to: CacheEntry.stampName, of: entry)
    }

    private static func fingerprint(_ artefact: CacheEntry.Artefact, at path: String) throws -> UInt64 {
        switch artefact {
        case .headers: try FolderWalk.look(at: path).fingerprint
        case .btf, .pch: try FolderWalk.fingerprint(ofFile: path)
        }
    }

    func write(_ bytes: [UInt8], to name: String, of entry: String, mode: mode_t = 0o644) throws {
        let file = try ScratchFile(prefix: "\(entry)/.\(name).")
        defer { close(file.descriptor) }
        do {
            let sink = FileSink(borrowing: file.descriptor)
            try sink.write(bytes)
            try sink.finish()
            try file.publish(as: "\(entry)/\(name)", mode: mode)
        } catch {
            unlink(file.path)
            throw error
        }
    }

    /// A folder of the cache's own, made if need be.
    ///
    /// - Throws: ``CacheError/unsafe(path:reason:)``; `SystemCallError`.
    func made(_ name: String, mode: mode_t = 0o755) throws -> String {
        let path = "\(folder.path)/\(name)"
        if mkdir(path, mode) == 0 {
            chmod(path, mode)
        } else if errno != EEXIST {
            throw SystemCallError(call: "mkdir", path: path, number: errno)
        }
        try CacheFolder.checkOwn(path)
        return path
    }

    /// Takes an entry away, whole: it is renamed first. Programs that run with it keep the files that they have open.
    func remove(_ path: String) throws { try setAside(path)?.remove() }

    /// Renames an entry, so that it is none any more.
    ///
    /// - Returns: a folder to be removed, with the entry in it; nil if there is none.
    func setAside(_ path: String) throws -> ScratchFolder? {
        guard access(path, F_OK) == 0 else { return nil }
        let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")) ?? path.startIndex
        let folder = try ScratchFolder(prefix: "\(path[...slash]).\(path[path.utf8.index(after: slash)...]).")
        do {
            try SystemCallError.check("rename", path) { rename(path, "\(folder.path)/old") }
        } catch {
            folder.remove()
            throw error
        }
        return folder
    }

    /// What killed processes had begun, and not finished; the kernel's lock is held.
    func removeLeftovers(of id: BuildID, in folder: String) throws {
        for name in try FolderListing.names(in: folder) where name.hasPrefix(".\(id).") {
            FolderRemoval.remove("\(folder)/\(name)")
        }
    }
}
