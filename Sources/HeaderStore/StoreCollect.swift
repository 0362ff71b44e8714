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
/// their turn, as they have while the plan is made, and what they bring back to life stays. Whatever is removed after a plan
/// was made waits for the next collect.
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
    struct Plan {
        fileprivate var livingBlobs: Set<Int> = []
        fileprivate var deadTrees: Set<Int> = []
        /// What dead trees have that nothing living has, by their numbers.
        fileprivate var remains: [Int: [Int]] = [:]
        /// By such a blob's number, how many dead trees are there still that have it. It goes with the last one, and not
        /// before: an upload of that tree brings nothing, as the tree is there.
        fileprivate var claims: [Int: Int] = [:]
        /// The last pack that was there when it was last found true.
        fileprivate var lastPack: Int
        /// Of the queue of uploads at that time; nil if that was not on the queue.
        fileprivate var count: Int?
        /// In the order in which they are to be written: those with children's manifests before those with the parents',
        /// those without any at the end.
        fileprivate(set) var packs: [PackMap.Pack] = []

        /// Lets go of a pack's dead trees.
        ///
        /// - Returns: what is dead in the pack.
        fileprivate mutating func release(_ trees: [TreeRow], of pack: PackMap.Pack) -> [PackMap.Blob] {
            for tree in trees {
                for number in remains.removeValue(forKey: tree.id) ?? [] { claims[number, default: 0] -= 1 }
            }
            return pack.blobs.filter { !livingBlobs.contains($0.number) && claims[$0.number] ?? 0 <= 0 }
        }
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
        var plan = try self.plan()
        for pack in plan.packs {
            let all = try tools.catalogue.pool.read { try tools.catalogue.trees(ofPack: pack.id, $0) }
            let trees = all.filter { plan.deadTrees.contains($0.id) }
            let dead = plan.release(trees, of: pack)
            result.blobs += dead.count
            let deadBytes = dead.reduce(0) { $0 + Int($1.length) }
            result.blobBytes += deadBytes
            let bytes = max(1, pack.blobs.reduce(0) { $0 + Int($1.length) })
            let isEmptied = try dead.count == pack.blobs.count && trees.count == all.count && !hasKernels(pack)
            if isEmptied { result.packsRemoved += 1 } else { result.packsRewritten += 1 }
            result.freedBytes += isEmptied ? pack.bytes : Int(Double(pack.bytes) * Double(deadBytes) / Double(bytes))
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
        var plan = try plan()
        for pack in plan.packs {
            // Uploads go first.
            try pace.wait(before: 1, bytesPerSecond: nil)
            try tools.ingests.runAndWait { try remove(from: pack, &plan) }
        }
        try removeDerived()
        // Where nothing can come to be known between the look and the removal.
        try remove(try quarantined())
        try tools.ingests.runAndWait {
            try tools.rewrite.unsettled.settle()
            try remove(try unknownPacks())
        }
        try tools.btfIngests.runAndWait { try remove(try unknownBTF()) }
    }

    /// Writes a pack anew, if that is still to be done. Where ingests run.
    func remove(from pack: PackMap.Pack, _ plan: inout Plan) throws {
        let catalogue = tools.catalogue
        if plan.count.map({ tools.ingests.count == $0 + 1 }) != true { try bringUpToDate(&plan) }
        defer { plan.count = tools.ingests.count }
        let all = try catalogue.pool.read { try catalogue.trees(ofPack: pack.id, $0) }
        guard try isDue(pack, all, plan) else { return }
        let trees = all.filter { plan.deadTrees.contains($0.id) }
        let dead = plan.release(trees, of: pack)
        let numbers = Set(dead.map(\.number))
        let bytes = try tools.rewrite.run(
            pack, isDead: { numbers.contains($0) }, deadTrees: plan.deadTrees, farewell: .remove)
        plan.lastPack = try catalogue.pool.read { try catalogue.lastPack($0) }
        guard let bytes else { return }
        state.withLock { state in
            state.trees += trees.count
            state.blobs += dead.count
            state.blobBytes += dead.reduce(0) { $0 + Int($1.length) }
            if bytes == 0 { state.packsRemoved += 1 } else { state.packsRewritten += 1 }
            state.freedBytes += pack.bytes - bytes
        }
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

    /// Not where ingests run, which would wait for it: what comes meanwhile is looked at before something is removed.
    func plan() throws -> Plan {
        let catalogue = tools.catalogue
        let (packs, trees, living) = try catalogue.pool.read { database in
            (try catalogue.packs(database), try catalogue.trees(database), try catalogue.livingTrees(database))
        }
        do {
            return try plan(packs, trees, living)
        } catch let problem as Problem where problem.code == .storeDamaged {
            // A verify beside it may have written one anew.
            let there = Set(try catalogue.pool.read { try catalogue.packs($0) }.map(\.id))
            guard packs.contains(where: { !there.contains($0.id) }) else { throw problem }
            return try plan()
        }
    }

    private func plan(
        _ rows: [(id: Int, digest: Digest, bytes: Int)], _ trees: [TreeRow], _ living: Set<Int>
    ) throws -> Plan {
        let map = try PackMap(of: rows, tools.layout)
        // What leans on what is not known then.
        if let pack = map.packs.first(where: { !$0.isReadable }) {
            throw Problem(
                .storeDamaged, "The pack \(pack.digest) is damaged. Run a verify first: kheader store verify")
        }
        var plan = Plan(lastPack: rows.last?.id ?? 0)
        var walk = ManifestWalk(catalogue: tools.catalogue, content: tools.content)
        // What is lost of a tree comes with an upload of all of it.
        for tree in trees where living.contains(tree.id) && tree.damage != .manifest {
            plan.livingBlobs.formUnion(try walk.manifest(tree).numbers)
        }
        map.addBases(of: &plan.livingBlobs)
        for tree in trees where !living.contains(tree.id) {
            plan.deadTrees.insert(tree.id)
            guard tree.damage != .manifest else { continue }
            let numbers = Set(try walk.manifest(tree).numbers).subtracting(plan.livingBlobs)
            plan.remains[tree.id] = Array(numbers)
            for number in numbers { plan.claims[number, default: 0] += 1 }
        }
        let byPack = Dictionary(grouping: trees, by: \.pack)
        let packs = try map.packs.filter { try isDue($0, byPack[$0.digest] ?? [], plan) }
        plan.packs = packs.sorted { one, other in
            func depth(_ pack: PackMap.Pack) -> Int { byPack[pack.digest]?.map(\.depth).max() ?? -1 }
            return (depth(one), one.id) > (depth(other), other.id)
        }
        return plan
    }

    /// What came, came back or was healed since lives, and all that it leans on. What died stays for the next collect.
    private func bringUpToDate(_ plan: inout Plan) throws {
        let catalogue = tools.catalogue
        let (packs, living, newTrees, lastPack) = try catalogue.pool.read { [last = plan.lastPack] database in
            let packs = try catalogue.packs(after: last, database)
            return (
                packs, try catalogue.livingTrees(database),
                try packs.flatMap { try catalogue.trees(ofPack: $0.id, database) }, try catalogue.lastPack(database)
            )
        }
        var blobs: Set<Int> = []
        for pack in try packs.map({ try PackMap.pack($0, tools.layout) }) {
            blobs.formUnion(pack.blobs.map(\.number))
            blobs.formUnion(pack.prefixes.joined())
        }
        var walk = ManifestWalk(catalogue: catalogue, content: tools.content)
        let back = plan.deadTrees.intersection(living)
        var waiting =
            try newTrees
            + catalogue.pool.read { database in
                try back.compactMap { try catalogue.tree(id: $0, database) }
            }
        while let tree = waiting.popLast() {
            plan.deadTrees.remove(tree.id)
            if tree.damage != .manifest { blobs.formUnion(try walk.manifest(tree).numbers) }
            guard let parent = tree.parent, plan.deadTrees.contains(parent),
                let row = try catalogue.pool.read({ try catalogue.tree(id: parent, $0) })
            else { continue }
            waiting.append(row)
        }
        blobs.subtract(plan.livingBlobs)
        while !blobs.isEmpty {
            plan.livingBlobs.formUnion(blobs)
            let places = try tools.content.locations(of: Array(blobs)).filter { !$0.isLost }
            let bases = try Set(places.map(\.key)).flatMap { try tools.content.node($0).prefix.map(\.number) }
            blobs = Set(bases).subtracting(plan.livingBlobs)
        }
        plan.lastPack = lastPack
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

    private func hasKernels(_ pack: PackMap.Pack) throws -> Bool {
        try tools.catalogue.pool.read { database in
            try pack.kernels.contains { try tools.catalogue.has($0, database) }
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
