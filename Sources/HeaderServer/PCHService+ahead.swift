import HeaderStore
import KernelHeaders
import Logging
import OperatorDocuments
import PrecompiledHeaders
import Tracing

/// What is done before anybody asks: smoke compiles of what hosts upload, and PCHs that clients will want.
extension PCHService {
    /// Changes when smoke compiles are made in another way: then all trees are tried again.
    private static let smokeRecipe = 1
    /// Trees that wait for a smoke compile at a time; the catalogue knows the others.
    private static let smokeBatch = 8

    /// Headers have come in.
    func headersArrived() async {
        // Before the menu is there the start is going to see them.
        if preparation != nil, menuTask != nil { await refill() }
    }

    /// Puts trees without smoke compile into the queue, if none waits there.
    func refill() async {
        guard !isClosed, !isRefilling, !queue.hasWaiting(.smoke), store.now >= smokePause else { return }
        isRefilling = true
        defer { isRefilling = false }
        let menu = await menu()
        guard menu.building != nil, let toolchain = menu.smokeToolchain else { return }
        let trees =
            (try? await store.treesWithoutSmoke(
                recipe: Self.recipe(toolchain), limit: Self.smokeBatch + untriable.count)) ?? []
        guard !isClosed else { return }
        for tree in trees where !untriable.contains(tree.digest) && !queue.isRunning(.smoke(tree: tree.digest)) {
            untried[tree.digest] = tree
            if !want(.smoke(tree: tree.digest), .smoke) { break }
        }
    }

    private static func recipe(_ toolchain: InstalledToolchain) -> String { "\(smokeRecipe) \(toolchain.toolchain.id)" }

    func smoke(_ tree: UntriedTree) async {
        let menu = await menu()
        guard let building = menu.building, let toolchain = menu.smokeToolchain else { return }
        do {
            let result = try await withSpan("smoke compile", context: .topLevel) { span in
                span.attributes["kheaderd.tree"] = "\(tree.digest)"
                let result = try await compile(tree, building, toolchain)
                span.attributes["kheaderd.state"] = result.state.rawValue
                return result
            }
            try await store.smokeEnded(result, tree: tree.digest, recipe: Self.recipe(toolchain))
            metrics.count("kheaderd_smoke_compiles_total", .init(["state": result.state.rawValue]))
            logger.info(
                "smoke compile ended", metadata: ["tree": "\(tree.digest)", "state": "\(result.state.rawValue)"])
            if result.state == .verified { try await buildAhead(tree, menu) }
        } catch {
            guard !Task.isCancelled else { return }
            if (error as? Problem)?.code == .diskFull {
                // There may be room soon.
                smokePause = store.now + Self.troubleSeconds
            } else {
                untriable.insert(tree.digest)
            }
            logger.error("smoke compile impossible", metadata: ["tree": "\(tree.digest)", "error": "\(error)"])
        }
    }

    private func compile(
        _ tree: UntriedTree, _ building: any PCHBuilding, _ toolchain: InstalledToolchain
    ) async throws -> SmokeResult {
        let time = store.now
        guard let architecture = tree.architecture else {
            return SmokeResult(
                state: .untried, detail: "It is not known for which architecture these headers are.", time: time)
        }
        let scratch = try makeScratch("smoke", outputs: Self.outputs.smoke)
        defer { scratch.remove() }
        let work = try scratch.makeFolder("work")
        return try await trees.with(tree.digest) { folder in
            try await building.smoke(
                architecture: architecture, with: toolchain, tree: folder, scratch: work, time: time)
        }
    }

    /// What clients asked for lately they may ask for of a new kernel, too.
    private func buildAhead(_ tree: UntriedTree, _ menu: PCHMenu) async throws {
        let since = store.now - options.aheadDays * 86400
        guard tree.firstSeen >= since else { return }
        for demand in try await store.pchDemand(since: since) {
            let request = PCHRequest(
                tree: tree.digest, architecture: tree.architecture, toolchain: demand.toolchain,
                profile: demand.profile, umbrella: demand.umbrella)
            // A profile or umbrella that is gone is nobody's fault.
            guard let item = try? await resolve(request, menu, anew: true), let order = item.order,
                let toolchain = item.toolchain
            else { continue }
            let isThere = store.pch(item.key)?.rank == PCHManifest.Rank.server.rawValue
            guard !isThere, store.pchFailure(item.key) == nil, !isClosed else { continue }
            if !want(.pch(key: item.key), .ahead, Pending(order: order, toolchain: toolchain)) { break }
        }
    }
}
