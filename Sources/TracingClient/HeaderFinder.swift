internal import Glibc
internal import HeaderArchive
public import HeaderTransport
public import KernelHeaders
internal import KernelProbe
internal import OperatorDocuments

/// Finds a kernel's headers wherever they are to be had, and puts them into the cache: the cache itself, then the servers,
/// then, for the kernel that runs here, its own archive and `/lib/modules/RELEASE`.
public struct HeaderFinder: Sendable {
    /// Where headers can come from, in the order in which they are asked.
    public enum Source: String, Sendable, CaseIterable {
        case cache
        case server
        /// `/sys/kernel/kheaders.tar.xz`.
        case kheaders
        /// `/lib/modules/RELEASE`.
        case modules
    }

    /// The running kernel's own archive, and its BTF.
    static let archivePath = "sys/kernel/kheaders.tar.xz"
    static let btfPath = "sys/kernel/btf/vmlinux"

    private let cache: HeaderCache
    private let client: @Sendable () throws -> HeaderServerClient
    private let sources: Set<Source>
    private let minimum: HeaderSource?
    private let look: HeaderCache.Look
    private let running: @Sendable () -> KernelIdentity?
    private let root: String
    private let progress: TransferProgress?

    /// - Parameters:
    ///   - client: is called if servers have to be asked.
    ///   - sources: which may be used.
    ///   - minimum: the least rank that will do; nil for any.
    ///   - look: how close the cache's entry is looked at.
    ///   - running: is called for the kernel that runs here, if this host's own headers are looked for; nil if that can't be
    ///     told.
    ///   - root: where this host's `/` is.
    public init(
        cache: HeaderCache, client: @escaping @Sendable () throws -> HeaderServerClient,
        sources: Set<Source> = Set(Source.allCases), minimum: HeaderSource? = nil,
        look: HeaderCache.Look = .files, running: @escaping @Sendable () -> KernelIdentity?, root: String = "/",
        progress: TransferProgress? = nil
    ) {
        self.cache = cache
        self.client = client
        self.sources = sources
        self.minimum = minimum
        self.look = look
        self.running = running
        self.root = root == "/" ? "" : root
        self.progress = progress
    }

    /// A kernel's headers.
    ///
    /// - Throws: ``HeadersMissing``; ``CacheError``; `SystemCallError`; `CancellationError`.
    public func headers(of id: BuildID) async throws -> CacheEntry {
        try await entry(.headers, of: id) { folder in
            try await filled(
                .headers, of: id, by: { try await fetchHeaders(of: id, from: $0, into: folder) },
                or: [
                    (.kheaders, { try await unpackArchive(of: $0, into: folder) }),
                    (.modules, { try await copyModulesTree(of: $0, into: folder) }),
                ])
        }
    }

    /// A kernel's BTF.
    ///
    /// - Throws: as ``headers(of:)``.
    public func btf(of id: BuildID) async throws -> CacheEntry {
        try await entry(.btf, of: id) { file in
            try await filled(
                .btf, of: id, by: { try await fetchBTF(of: id, from: $0, to: file) },
                or: [(.kheaders, { try await copyBTF(of: $0, to: file) })])
        }
    }

    private func entry(
        _ artefact: CacheEntry.Artefact, of id: BuildID, fill: HeaderCache.Filling
    ) async throws -> CacheEntry {
        let isReused = sources.contains(.cache)
        let entry = try await cache.entry(
            artefact, of: id, minimum: minimum, isReused: isReused, look: look, orMake: fill)
        if entry.isNew {
            // What a host no longer runs goes; whoever has the cache for other things than this sees to it otherwise.
            _ = try? cache.clean(
                unusedFor: HeaderCache.standardAge, keeping: HeaderCache.standardBytes, except: id)
        }
        return entry
    }

    // MARK: In turn

    private typealias Local = @Sendable (KernelIdentity) async throws -> CacheStamp

    private func filled(
        _ artefact: CacheEntry.Artefact, of id: BuildID, by fetch: (HeaderServerClient) async throws -> CacheStamp,
        or locals: [(Source, Local)]
    ) async throws -> CacheStamp {
        var failures: [HeadersMissing.Failure] = []
        if sources.contains(.cache) {
            let rank = (try? cache.stamp(artefact, id))?.rank
            failures.append(.init(.cache, rank.map { "only on the word of '\($0.rawValue)'" } ?? "not there"))
        }
        if sources.contains(.server) {
            do {
                return try await fetch(try client())
            } catch  where Self.isFinal(error) {
                throw error
            } catch {
                failures.append(.init(.server, "\(error)", ExitStatus(error)))
            }
        }
        for (source, take) in locals where sources.contains(source) {
            guard let running = running(), running.buildID == id else {
                failures.append(
                    .init(source, "another kernel runs here, \(running().map { "\($0.buildID)" } ?? "unknown")"))
                continue
            }
            do {
                let stamp = try await take(running)
                if let failure = failures.first(where: { $0.source == .server }) {
                    cache.notice("No server gave the \(artefact.rawValue): \(failure.reason)")
                    cache.notice("They are this host's own instead, of \(stamp.place).")
                }
                return stamp
            } catch  where Self.isFinal(error) {
                throw error
            } catch {
                failures.append(.init(source, "\(error)"))
            }
        }
        throw HeadersMissing(artefact: artefact, buildID: id, failures: failures)
    }

    /// Whether no other source would help: nobody waits any more, or the cache can't take anything.
    private static func isFinal(_ error: any Error) -> Bool {
        switch error {
        // What servers are called makes no sense.
        case let problem as Problem where problem.code == .parameterMalformed: true
        case is CancellationError, is CacheError: true
        case let problem as Problem: problem.code == .diskFull
        case let error as SystemCallError: error.isDiskFull || error.number == EROFS
        default: false
        }
    }

    // MARK: Servers

    private func fetchHeaders(
        of id: BuildID, from client: HeaderServerClient, into folder: String
    ) async throws -> CacheStamp {
        let kernel = try await client.kernel(id)
        try RankTooLow.check(kernel.source, minimum: minimum)
        let tree = try await TreeFetch(client: client, progress: progress).fill(
            folder, with: kernel.treeDigest, access: .readOnly)
        return stamp(
            kernel.identity, tree.digest, .server, client.serverNames, kernel.source, files: tree.files,
            bytes: tree.bytes)
    }

    private func fetchBTF(
        of id: BuildID, from client: HeaderServerClient, to path: String
    ) async throws -> CacheStamp {
        // The server says nothing of whose word it has BTF on.
        try RankTooLow.check(.agent, minimum: minimum)
        let (digest, size) = try await client.btf(of: id, progress: progress) { source, cancellation in
            try Self.copyBTF(source, to: path, cancellation)
        }
        return stamp(
            KernelIdentity(buildID: id, hasBTF: true), digest, .server, client.serverNames, .agent, files: 1,
            bytes: size)
    }

    // MARK: This host

    private func unpackArchive(of kernel: KernelIdentity, into folder: String) async throws -> CacheStamp {
        let path = "\(root)/\(Self.archivePath)"
        guard access(path, F_OK) == 0 else {
            throw InstalledTree.Flaw.missing(
                "\(path) (where the kernel has it as a module, 'modprobe kheaders' as root brings it)")
        }
        let tree = try await BlockingWork.run { cancellation in
            try TreeUnpacker(folder: folder, access: .readOnly).unpack(FileSource(path: path)) { _ in
                try cancellation.check()
            }
        }
        return stamp(kernel, tree.digest, .kheaders, path, nil, files: tree.files, bytes: tree.bytes)
    }

    private func copyModulesTree(of kernel: KernelIdentity, into folder: String) async throws -> CacheStamp {
        let modules = try InstalledTree(modulesFolderOf: kernel, root: root)
        // One host's word, as an agent's is.
        try RankTooLow.check(.agent, minimum: minimum)
        let tree = try await BlockingWork.run { cancellation in
            try TreeUnpacker(folder: folder, access: .readOnly).copy(modules.headers()) { _ in
                try cancellation.check()
            }
        }
        return stamp(kernel, tree.digest, .modules, modules.name, .agent, files: tree.files, bytes: tree.bytes)
    }

    private func copyBTF(of kernel: KernelIdentity, to path: String) async throws -> CacheStamp {
        let origin = "\(root)/\(Self.btfPath)"
        guard access(origin, F_OK) == 0 else { throw InstalledTree.Flaw.missing(origin) }
        let (digest, size) = try await BlockingWork.run { cancellation in
            try Self.copyBTF(FileSource(path: origin), to: path, cancellation)
        }
        return stamp(kernel, digest, .kheaders, origin, nil, files: 1, bytes: size)
    }

    /// - Parameter limit: the most bytes taken. Kernels have 4 to 10 MB.
    static func copyBTF(
        _ source: any ByteSource, to path: String, limit: Int = 64 << 20, _ cancellation: Cancellation
    ) throws -> (KernelHeaders.Digest, size: Int) {
        let file = try FilledFile(
            path, from: source, limit: limit,
            excess: Problem(.btfMalformed, "This is no BTF: it has over \(limit) bytes."), cancellation)
        _ = try BTFHeader(file.head, fileLength: file.bytes)
        return (file.digest, file.bytes)
    }

    private func stamp(
        _ identity: KernelIdentity, _ digest: KernelHeaders.Digest, _ origin: CacheStamp.Origin, _ place: String,
        _ rank: HeaderSource?, files: Int, bytes: Int
    ) -> CacheStamp {
        CacheStamp(
            identity: identity, digest: digest, origin: origin, place: place, rank: rank, files: files, bytes: bytes,
            added: time(nil))
    }
}
