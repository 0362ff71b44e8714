internal import GRDB
internal import Glibc
internal import HeaderArchive
internal import KernelHeaders
internal import Logging
internal import OperatorDocuments
internal import Synchronization

/// Removes what nothing refers to, and writes packs anew that are mostly dead, while requests are served.
///
/// *Dead* are trees that no kernel has, contents that are in no living tree and that nothing living is compressed with, and
/// kernels that only a pack remembers. A pack is written anew if a tree or a kernel in it is dead, if a manifest in it leans
/// on a dead tree, or if half of its contents are. Each pack is one step (``PackRewrite``); between two of them uploads have
/// their turn, and what they bring back to life stays. Whatever is removed after a plan was made waits for the next collect.
final class StoreCollect: Sendable {
    struct Tools: Sendable {
        let catalogue: Catalogue
        let content: ContentReader
        let files: any FileSystem
        let layout: StoreLayout
        let rewrite: PackRewrite
        let btf: BTFStore
        let bundles: DerivedCache<BundleRecord>
        let pchs: DerivedCache<PCHRecord>
        let ingests: WorkQueue
        let btfIngests: WorkQueue
        /// Seconds since 1970.
        let now: @Sendable () -> Int
        let logger: Logger
    }

    /// What is alive, and what is to be done to which packs.
    private struct Plan {
        var livingBlobs: Set<Int> = []
        var deadTrees: Set<Int> = []
        var map: PackMap
        /// Of the queue of uploads when it was made, or last found true.
        var count = 0
        /// In the order in which they are to be written: those with children's manifests before those with the parents'.
        var packs: [PackMap.Pack] = []
    }

    private let tools: Tools
    private let pace: UpkeepPace
    private let state: Mutex<StoreCollection>

    init(_ tools: Tools, pace: UpkeepPace) throws {
        self.tools = tools
        self.pace = pace
        var last = try tools.catalogue.pool.read { try tools.catalogue.upkeep("collect", StoreCollection.self, $0) }
        last?.state = .idle
        state = Mutex(last ?? StoreCollection())
    }

    /// The last run, or the one under way; dry runs do not count.
    var progress: StoreCollection { state.withLock { $0 } }

    /// Says that a collect is to run.
    ///
    /// - Returns: false if one is under way.
    func begin() -> Bool {
        state.withLock { state in
            guard state.state == .idle else { return false }
            let run = state.run
            state = StoreCollection()
            state.run = run + 1
            state.state = .running
            state.started = tools.now()
            return true
        }
    }

    /// What a collect would remove now. Blocks.
    ///
    /// - Throws: `Problem` with `store-damaged` if a manifest can't be read; `SystemCallError`, what SQLite says.
    func dryRun() throws -> StoreCollection {
        var result = StoreCollection()
        result.isDryRun = true
        result.run = progress.run
        result.started = tools.now()
        let plan = try tools.ingests.runAndWait { try self.plan() }
        for pack in plan.packs {
            let dead = pack.blobs.filter { !plan.livingBlobs.contains($0.number) }
            result.blobs += dead.count
            let deadBytes = dead.reduce(0) { $0 + Int($1.length) }
            result.blobBytes += deadBytes
            let all = max(1, pack.blobs.reduce(0) { $0 + Int($1.length) })
            let isEmptied = try isEmptied(pack, plan)
            if isEmptied { result.packsRemoved += 1 } else { result.packsRewritten += 1 }
            result.freedBytes += isEmptied ? pack.bytes : Int(Double(pack.bytes) * Double(deadBytes) / Double(all))
        }
        result.trees = plan.deadTrees.count
        let strays = try strays()
        result.strays = strays.count
        result.freedBytes += strays.reduce(0) { $0 + Self.size($1) }
        let gone = try tools.catalogue.pool.read { database in
            Set(
                try self.tools.catalogue.trees(database).filter { plan.deadTrees.contains($0.id) }.map(
                    \.digest))
        }
        for (key, record) in tools.bundles.all where gone.contains(key.tree) {
            result.derived += 1
            result.freedBytes += record.bytes(of: key)
        }
        for (key, record) in tools.pchs.all where gone.contains(record.tree) {
            result.derived += 1
            result.freedBytes += record.bytes(of: key)
        }
        result.ended = tools.now()
        return result
    }

    /// Removes it. Blocks.
    ///
    /// - Throws: `CancellationError` if it is to end; as ``dryRun()``; `Problem` with `disk-full`.
    func run() throws {
        do {
            try removeAll()
            try end { $0.failure = nil }
        } catch {
            try? end { $0.failure = error is CancellationError ? "The server was stopped." : "\(error)" }
            throw error
        }
    }

    private func end(_ change: (inout StoreCollection) -> Void) throws {
        let result = state.withLock { state in
            change(&state)
            state.state = .idle
            state.ended = tools.now()
            return state
        }
        try tools.catalogue.write { try tools.catalogue.setUpkeep("collect", result, $0) }
    }

    private func removeAll() throws {
        var plan = try tools.ingests.runAndWait { try self.plan() }
        var done: Set<Int> = []
        while let pack = plan.packs.first(where: { !done.contains($0.id) }) {
            done.insert(pack.id)
            // Uploads go first.
            try pace.wait(before: 1, bytesPerSecond: nil)
            plan = try tools.ingests.runAndWait { [plan] in
                var plan = plan
                if self.tools.ingests.count != plan.count + 1 {
                    // Something came, went, or was healed: what is dead may live now, and lean on what was dead.
                    plan = try self.plan()
                    guard plan.packs.contains(where: { $0.id == pack.id }) else { return plan }
                    if plan.packs.first(where: { !done.contains($0.id) || $0.id == pack.id })?.id != pack.id {
                        // Another is to be written before.
                        done.remove(pack.id)
                        return plan
                    }
                }
                plan.count = self.tools.ingests.count
                let dead = pack.blobs.filter { !plan.livingBlobs.contains($0.number) }
                let trees = try self.tools.catalogue.pool.read {
                    try self.tools.catalogue.trees(ofPack: pack.id, $0)
                }.filter { plan.deadTrees.contains($0.id) }
                let bytes = try self.tools.rewrite.run(
                    pack, isDead: { [living = plan.livingBlobs] in !living.contains($0) }, deadTrees: plan.deadTrees,
                    farewell: .remove)
                guard let bytes else { return plan }
                self.state.withLock { state in
                    state.trees += trees.count
                    state.blobs += dead.count
                    state.blobBytes += dead.reduce(0) { $0 + Int($1.length) }
                    if bytes == 0 { state.packsRemoved += 1 } else { state.packsRewritten += 1 }
                    state.freedBytes += pack.bytes - bytes
                }
                return plan
            }
        }
        try removeDerived()
        // Where nothing can come to be known between the look and the removal.
        try remove(try quarantined())
        try tools.ingests.runAndWait { try remove(try unknownPacks()) }
        try tools.btfIngests.runAndWait { try remove(try unknownBTF()) }
    }

    private func remove(_ strays: [String]) throws {
        for path in strays {
            let size = Self.size(path)
            try tools.files.remove(path)
            state.withLock { state in
                state.strays += 1
                state.freedBytes += size
            }
        }
    }

    // MARK: Planning

    private func plan() throws -> Plan {
        var plan = Plan(map: try PackMap(tools.catalogue, tools.layout), count: tools.ingests.count)
        // What leans on what is not known then.
        if let pack = plan.map.packs.first(where: { !$0.isReadable }) {
            throw Problem(
                .storeDamaged, "The pack \(pack.digest) is damaged. Run a verify first: kheader store verify")
        }
        let (trees, living) = try tools.catalogue.pool.read { database in
            (
                try tools.catalogue.trees(database),
                Set(try Int.fetchAll(database, sql: "SELECT DISTINCT tree FROM kernel"))
            )
        }
        try live(trees.filter { living.contains($0.id) }, &plan)
        plan.deadTrees = Set(trees.map(\.id)).subtracting(living)
        let byPack = Dictionary(grouping: trees, by: \.pack)
        let packs = try plan.map.packs.filter { try isDue($0, byPack[$0.digest] ?? [], plan) }
        plan.packs = packs.sorted { one, other in
            func depth(_ pack: PackMap.Pack) -> Int { byPack[pack.digest]?.map(\.depth).max() ?? 0 }
            return (depth(one), one.id) > (depth(other), other.id)
        }
        return plan
    }

    private func live(_ trees: [TreeRow], _ plan: inout Plan) throws {
        var walk = ManifestWalk(catalogue: tools.catalogue, content: tools.content)
        // What is lost of a tree comes with an upload of all of it.
        for tree in trees where tree.damage != .manifest {
            plan.livingBlobs.formUnion(try walk.manifest(tree).numbers)
        }
        plan.map.addBases(of: &plan.livingBlobs)
    }

    private func isDue(_ pack: PackMap.Pack, _ trees: [TreeRow], _ plan: Plan) throws -> Bool {
        if trees.contains(where: { plan.deadTrees.contains($0.id) }) { return true }
        if trees.contains(where: { $0.parent.map(plan.deadTrees.contains) ?? false }) { return true }
        let isForgotten = try tools.catalogue.pool.read { database in
            try pack.kernels.contains { try !tools.catalogue.has($0, database) }
        }
        if isForgotten { return true }
        let dead = pack.blobs.reduce(0) { plan.livingBlobs.contains($1.number) ? $0 : $0 + Int($1.length) }
        return dead > 0 && 2 * dead >= pack.blobs.reduce(0) { $0 + Int($1.length) }
    }

    private func isEmptied(_ pack: PackMap.Pack, _ plan: Plan) throws -> Bool {
        try tools.catalogue.pool.read { database in
            try !pack.blobs.contains { plan.livingBlobs.contains($0.number) }
                && !pack.kernels.contains { try tools.catalogue.has($0, database) }
                && tools.catalogue.trees(ofPack: pack.id, database)
                    .allSatisfy { plan.deadTrees.contains($0.id) }
        }
    }

    // MARK: Files

    private func removeDerived() throws {
        let trees = Set(try tools.catalogue.pool.read { try tools.catalogue.trees($0) }.map(\.digest))
        var freed = (count: 0, bytes: 0)
        for (key, record) in tools.bundles.all where !trees.contains(key.tree) {
            guard tools.bundles.drop(key, ifStill: record) else { continue }
            freed = (freed.count + 1, freed.bytes + record.bytes(of: key))
        }
        for (key, record) in tools.pchs.all where !trees.contains(record.tree) {
            guard tools.pchs.drop(key, ifStill: record) else { continue }
            freed = (freed.count + 1, freed.bytes + record.bytes(of: key))
        }
        state.withLock { [freed] state in
            state.derived += freed.count
            state.freedBytes += freed.bytes
        }
    }

    /// Paths of files that nothing refers to.
    private func strays() throws -> [String] {
        try quarantined() + tools.ingests.runAndWait { try unknownPacks() }
            + tools.btfIngests.runAndWait { try unknownBTF() }
    }

    private func quarantined() throws -> [String] {
        try FolderListing.names(in: tools.layout.quarantine).map { "\(tools.layout.quarantine)/\($0)" }
    }

    /// On the queue of uploads.
    private func unknownPacks() throws -> [String] {
        let known = try tools.catalogue.pool.read { [tools] in try tools.catalogue.packDigests($0) }
        return try FolderListing.names(in: tools.layout.packs).filter { name in
            name.hasSuffix(".khpack") && Digest(name.dropLast(".khpack".count)).map { !known.contains($0) } ?? false
        }.map { "\(tools.layout.packs)/\($0)" }
    }

    /// On the queue of BTF.
    private func unknownBTF() throws -> [String] { try tools.btf.strays().map { "\(tools.layout.btf)/\($0)" } }

    private static func size(_ path: String) -> Int {
        var status = stat()
        return stat(path, &status) == 0 ? Int(status.st_size) : 0
    }
}
