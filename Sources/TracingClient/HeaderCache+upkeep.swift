internal import Glibc
internal import HeaderArchive
internal import HeaderTransport
public import KernelHeaders
internal import PrecompiledHeaders

extension HeaderCache {
    /// One entry of the cache's list.
    public struct Listing: Sendable, Equatable {
        public let artefact: CacheEntry.Artefact
        public let buildID: BuildID
        /// Which of the kernel's PCHs; nil of headers and BTF.
        public let key: Digest?
        /// Of headers the tree's folder, of BTF and PCHs the file.
        public let path: String
        /// What is known of a PCH.
        public let pch: PCHRecord?
        /// Nil if the entry has no stamp that can be read: it is not used, and made anew.
        public let stamp: CacheStamp?
        /// When it was last used, in seconds since 1970.
        public let lastUsed: Int
        /// Whether its contents were checked since this host was started, and need not be read when it is used.
        public let isChecked: Bool
    }

    /// What a check of an entry's contents found.
    public enum Verdict: String, Sendable, Codable {
        case good
        /// It was removed, if the cache can be written.
        case damaged
    }

    /// All entries, least recently used first.
    ///
    /// - Throws: `SystemCallError`.
    public func list() throws -> [Listing] {
        var found = try listPCHs()
        for artefact in CacheEntry.Artefact.ofTrees {
            for name in try FolderListing.names(in: "\(folder.path)/\(artefact.rawValue)") {
                // Without locks, which would keep another process from cleaning.
                guard let id = BuildID(name), let lastUsed = lastUsed(path(artefact, id)) else { continue }
                let stamp = try? stamp(artefact, id)
                found.append(
                    Listing(
                        artefact: artefact, buildID: id, key: nil, path: "\(path(artefact, id))/\(artefact.name)",
                        pch: nil, stamp: stamp, lastUsed: lastUsed,
                        isChecked: stamp.map { $0.bootID == bootID && !bootID.isEmpty } ?? false))
            }
        }
        return found.sorted { ($0.lastUsed, $0.buildID) < ($1.lastUsed, $1.buildID) }
    }

    private func listPCHs() throws -> [Listing] {
        try FolderListing.names(in: "\(folder.path)/pch").compactMap { BuildID($0) }.flatMap { id in
            try pchRecords(of: id).compactMap { file in
                let (key, record) = (file.key, file.record)
                let place = pchPath(id, key)
                guard let lastUsed = lastUsed(place) else { return nil }
                return Listing(
                    artefact: .pch, buildID: id, key: key,
                    path: record.map { "\(place)/\(CachedPCH.place(of: $0))" } ?? place, pch: record,
                    stamp: record?.stamp, lastUsed: lastUsed, isChecked: false)
            }
        }
    }

    /// The folder of an entry.
    private func place(of listing: Listing) -> String {
        listing.key.map { pchPath(listing.buildID, $0) } ?? path(listing.artefact, listing.buildID)
    }

    /// Reads an entry in full.
    ///
    /// - Returns: nil if it went away.
    /// - Throws: `SystemCallError`; `CancellationError`.
    public func verify(_ listing: Listing) async throws -> Verdict? {
        let lock = folder.isWritable ? try await lock(listing.buildID) : nil
        defer { withExtendedLifetime(lock) {} }
        let place = place(of: listing)
        guard access(place, F_OK) == 0 else { return nil }
        let isGood =
            if let key = listing.key {
                try await goodPCH(listing.buildID, key, isUse: false) != nil
            } else {
                try await BlockingWork.run { cancellation in
                    guard let entry = try open(listing.artefact, listing.buildID) else { return false }
                    return try Self.digest(of: entry, cancellation) == entry.stamp.digest
                }
            }
        if !isGood, lock != nil { try await BlockingWork.run { _ in try remove(place) } }
        return isGood ? .good : .damaged
    }

    /// Removes entries that were not used for long, then the least recently used ones until the rest is small enough;
    /// also what killed processes left behind. What a running program uses stays.
    ///
    /// - Parameters:
    ///   - age: seconds since the last use; nil for any.
    ///   - bytes: how much all entries may have together; nil for any.
    ///   - wanted: the only kernel whose entries are looked at, and counted; nil for all.
    ///   - kept: stays, whatever its age.
    /// - Returns: what was removed.
    /// - Throws: ``CacheError/unwritable(path:reason:)``; `SystemCallError`.
    @discardableResult
    public func clean(
        unusedFor age: Int?, keeping bytes: Int?, only wanted: BuildID? = nil, except kept: BuildID? = nil,
        now: Int? = nil
    ) throws -> [Listing] {
        guard folder.isWritable else {
            throw CacheError.unwritable(path: folder.path, reason: String(cString: strerror(EACCES)))
        }
        let now = now ?? time(nil)
        let entries = try list().filter { wanted == nil || $0.buildID == wanted }
        let locks = try made("locks", mode: 0o700)
        var total = entries.reduce(0) { $0 + ($1.stamp?.bytes ?? 0) }
        var removed: [Listing] = []
        for entry in entries where entry.buildID != kept {
            let isOld = age.map { now - entry.lastUsed > $0 } ?? false
            let isTooMuch = bytes.map { total > $0 } ?? false
            guard isOld || isTooMuch || entry.stamp == nil else { continue }
            guard try removeUnlessUsed(entry, locks) else { continue }
            total -= entry.stamp?.bytes ?? 0
            removed.append(entry)
        }
        try removeAllLeftovers(locks)
        return removed
    }

    /// How long an entry may lie unused, in seconds, and how many bytes all may have, before an addition to the cache
    /// removes some: what a host needs again it fetches again.
    public static let standardAge = 30 * 24 * 60 * 60
    public static let standardBytes = 1 << 30

    private func removeUnlessUsed(_ entry: Listing, _ locks: String) throws -> Bool {
        let place = place(of: entry)
        guard let making = try FileLock.exclusive("\(locks)/\(entry.buildID)") else { return false }
        defer { withExtendedLifetime(making) {} }
        var use: FileLock?
        switch FileLock.attempt("\(place)/\(CacheEntry.useName)", LOCK_EX) {
        case .taken(let taken): use = taken
        case .refused: return false
        case .impossible: break
        }
        defer { withExtendedLifetime(use) {} }
        // It may have been used, or made anew, since it was listed.
        guard lastUsed(place) == entry.lastUsed else { return false }
        try remove(place)
        // The folder of the kernel's PCHs, with the last of them.
        if entry.key != nil { rmdir("\(folder.path)/pch/\(entry.buildID)") }
        return true
    }

    /// In seconds since 1970; nil if there is no such entry.
    private func lastUsed(_ place: String) -> Int? {
        var status = stat()
        for path in ["\(place)/\(CacheEntry.useName)", place] where lstat(path, &status) == 0 {
            return status.st_mtim.tv_sec
        }
        return nil
    }

    private func removeAllLeftovers(_ locks: String) throws {
        for artefact in CacheEntry.Artefact.allCases {
            let parent = "\(folder.path)/\(artefact.rawValue)"
            for name in try FolderListing.names(in: parent) {
                let isLeftover = name.hasPrefix(".")
                guard isLeftover || artefact == .pch,
                    let id = BuildID(String(name.drop { $0 == "." }.prefix { $0 != "." })),
                    let lock = try FileLock.exclusive("\(locks)/\(id)")
                else { continue }
                defer { withExtendedLifetime(lock) {} }
                if isLeftover {
                    FolderRemoval.remove("\(parent)/\(name)")
                } else {
                    try removeLeftovers(in: "\(parent)/\(name)")
                }
            }
        }
        // A lock's file goes when nobody has it; whoever opened it just now looks whether it is still the one.
        for name in try FolderListing.names(in: "\(locks)") {
            let path = "\(locks)/\(name)"
            guard let lock = try FileLock.exclusive(path) else { continue }
            defer { withExtendedLifetime(lock) {} }
            unlink(path)
        }
    }
}
