internal import GRDB
internal import HeaderArchive
public import KernelHeaders
public import OperatorDocuments

/// Precompiled headers: the store keeps them, and knows neither how they are made nor what their documents say.
extension HeaderStore {
    // MARK: PCHs

    /// A PCH, if it is on disk.
    public func pch(_ key: Digest) -> StoredPCH? { pchs.pch(key) }

    /// What is known of a PCH, as JSON text; nil if the store does not have it.
    public func pchDocument(_ key: Digest) async throws -> String? {
        try await derivations.run { [pchs] in try pchs.document(key) }
    }

    /// Takes a PCH in.
    ///
    /// - Parameters:
    ///   - key: what it is asked for by; another one of this key gives way.
    ///   - tree: the digest of the tree that it was made of.
    ///   - rank: who made it; see ``StoredPCH/rank``.
    ///   - digest: what it must have.
    ///   - document: what is known of it, as JSON text.
    ///   - path: the file, which is copied.
    /// - Throws: `Problem` with `pch-malformed` for another digest, or `disk-full`; `SystemCallError`.
    public func publishPCH(
        _ key: Digest, tree: Digest, rank: String, digest: Digest, document: String, from path: String
    ) async throws {
        try await derivations.run { [pchs] in
            try pchs.publish(
                FileSource(path: path), key: key, tree: tree, rank: rank, digest: digest, document: document)
        }
    }

    /// Starts an upload of a PCH.
    ///
    /// - Parameters:
    ///   - expecting: its bytes, if the sender said so; room for them is reserved.
    ///   - limit: the most bytes.
    /// - Throws: `Problem` with `upload-too-large` or `disk-full`; `SystemCallError`.
    public func stagePCH(expecting: Int?, limit: Int) throws -> StagedUpload {
        try StagedUpload(files: options.files, layout: layout, disk: disk, expecting: expecting, limit: limit)
    }

    /// Why a PCH could not be made; nil if it was not tried, or some time ago (`Options.pchRetrySeconds`).
    public func pchFailure(_ key: Digest) -> PCHFailure? { pchs.failure(key) }

    /// Notes why a PCH could not be made.
    ///
    /// - Throws: `Problem` with `disk-full`, or what SQLite says.
    public func pchFailed(_ key: Digest, _ problem: Problem) async throws {
        try await derivations.run { [pchs] in try pchs.failed(key, problem) }
    }

    // MARK: Clients

    /// Notes that a client asked for this. Nothing is written before this returns, and each at most once an hour.
    public func pchAsked(_ demand: PCHDemand) { pchs.asked(demand) }

    /// What clients asked for since a time (seconds since 1970), the last first.
    public func pchDemand(since time: Int) async throws -> [PCHDemand] {
        try await derivations.run { [pchs] in try pchs.demand(since: time) }
    }

    /// Keeps a client's profile. There are 64 at most; the one that was not asked for for longest goes.
    ///
    /// - Returns: whether it is new.
    /// - Throws: `Problem` with `disk-full`, or what SQLite says.
    public func putProfile(_ document: String, id: Digest) async throws -> Bool {
        try await derivations.run { [documents] in try documents.put(document, kind: .profile, id: id) }
    }

    /// A profile that a client sent; nil if there is none of this ID.
    public func profile(_ id: Digest) async throws -> String? {
        try await derivations.run { [documents] in try documents.document(kind: .profile, id: id) }
    }

    /// Notes that somebody asked for a profile, as ``pchAsked(_:)`` does.
    public func profileAsked(_ id: Digest) { documents.asked(kind: .profile, id: id) }

    /// Keeps a toolchain that a builder has; as ``putProfile(_:id:)``.
    public func putToolchain(_ document: String, id: Digest) async throws -> Bool {
        try await derivations.run { [documents] in try documents.put(document, kind: .toolchain, id: id) }
    }

    /// A toolchain that a builder has; nil if there is none of this ID.
    public func toolchain(_ id: Digest) async throws -> String? {
        try await derivations.run { [documents] in try documents.document(kind: .toolchain, id: id) }
    }

    /// The toolchains that builders have sent PCHs of.
    public func toolchains() async throws -> [String] {
        try await derivations.run { [documents] in try documents.all(.toolchain) }
    }

    // MARK: Smoke compiles

    /// Notes what became of compiling a small program with a tree's headers.
    ///
    /// - Parameter recipe: how it was tried.
    /// - Throws: `Problem` with `disk-full`, or what SQLite says.
    public func smokeEnded(_ result: SmokeResult, tree: Digest, recipe: String) async throws {
        try await derivations.run { [catalogue] in
            try catalogue.write { try catalogue.insert(result, of: tree, recipe: recipe, $0) }
        }
    }

    /// Kernels' trees that were not tried by this recipe, the newest first.
    public func treesWithoutSmoke(recipe: String, limit: Int) async throws -> [UntriedTree] {
        try await catalogue.pool.read { [catalogue] in
            try catalogue.treesWithoutSmoke(recipe: recipe, limit: limit, $0)
        }
    }

    // MARK: Work on them

    /// Seconds since 1970, by the store's clock.
    public var now: Int { options.now() }

    /// A folder for work on derived files.
    ///
    /// - Parameter bytes: room that is reserved as long as the folder is there.
    /// - Throws: `Problem` with `disk-full`; `SystemCallError`.
    public func makeStagingFolder(_ what: String, reserving bytes: Int = 0) throws -> StagingFolder {
        try StagingFolder(path: layout.stagingFile(what), reservation: try disk.reserve(bytes))
    }

    /// Writes a tree's files and links into a folder, which is empty again if that fails.
    ///
    /// - Throws: `Problem` with `tree-unknown`, `store-damaged` or `disk-full`; `SystemCallError`.
    public func unpack(tree digest: Digest, into folder: String) async throws {
        try await derivations.run { [content, disk] in
            let tree = try content.tree(digest)
            let reservation = try disk.reserve(tree.manifest.contentBytes)
            let extractor = try TreeExtractor(directory: folder)
            do {
                let reading = try TreeReading(content, of: tree)
                for entry in tree.manifest.entries {
                    guard case .file(let size, let digest, let executable) = entry.kind else { continue }
                    try reservation.use(Self.diskBytes(size))
                    try extractor.beginFile(entry.path, size: size, executable: executable)
                    let bytes = try reading.next()
                    try bytes.withUnsafeBytes { try extractor.write($0) }
                    try extractor.endFile(entry.path, digest: digest)
                }
                try extractor.finish(tree.manifest)
            } catch {
                FolderRemoval.empty(folder)
                guard let error = error as? SystemCallError, error.isDiskFull else { throw error }
                throw Problem(.diskFull, "The server's disk is full. Tell its operator; try again later.")
            }
        }
    }

    /// What a file takes on most disks.
    private static func diskBytes(_ size: Int) -> Int { (size + 4095) & ~4095 }
}
