import FoundationEssentials
import HTTPTypes
import HeaderStore
import KernelHeaders
import Logging
import OperatorDocuments
import PrecompiledHeaders
import Synchronization
import Tracing

/// Makes PCHs that clients ask for, each once however many ask, and smoke-compiles what hosts upload; when nobody waits, it
/// makes ahead what clients asked for lately.
///
/// A build is a task of its own and goes on when the client goes away. ``close()`` ends all of them, and leaves nothing in
/// the staging folder.
actor PCHService {
    /// What a request is answered.
    enum Answer: Sendable {
        case ready(key: Digest, StoredPCH)
        case waiting(key: Digest, PCHProgress)
    }

    enum Job: Hashable, Sendable {
        case pch(key: Digest)
        case smoke(tree: Digest)
    }

    /// A PCH that is to be made.
    struct Pending {
        let order: PCHOrder
        let toolchain: InstalledToolchain
    }

    /// A request, looked up.
    struct Resolved {
        let key: Digest
        /// As others will ask for it, too.
        let demand: PCHDemand
        /// Nil if the server does not have it.
        let toolchain: InstalledToolchain?
        /// Nil if it was looked up before: it may hold megabytes.
        let order: PCHOrder?
    }

    /// Outputs that lie on the disk at a time while something is made: the PCH, and a run's two. What else there is, the
    /// umbrella's text and the stubs, is in the disk's margin.
    static let outputs = (build: 3, smoke: 2)
    /// How long a build is not tried again that failed for a reason of the server's own, in seconds.
    static let troubleSeconds = 60
    /// Requests and kernels whose look-up is remembered.
    static let maximumMemories = 1024

    let store: HeaderStore
    let options: PCHOptions
    let metrics: MetricsRegistry
    let logger: Logger
    let trees: UnpackedTrees
    private let steps = Mutex<[Digest: PCHBuilder.Step]>([:])
    var queue: BuildQueue<Job>
    private var pending: [Digest: Pending] = [:]
    var untried: [Digest: UntriedTree] = [:]
    /// Jobs under way, by the order in which they were begun, up to the end of all that follows from them.
    private var running: [Int: Task<Void, Never>] = [:]
    private var begun = 0
    private var troubles: [Digest: (problem: Problem, until: Int)] = [:]
    /// Trees whose smoke compile the server could not run; tried again after the next start.
    var untriable: Set<Digest> = []
    /// Until when no smoke compile is begun: the disk was full.
    var smokePause = 0
    var resolved: [PCHRequest: Resolved] = [:]
    var standard: [Digest: [CompilerProfile]] = [:]
    var preparation: Task<Void, Never>?
    var isRefilling = false
    var isClosed = false

    init(store: HeaderStore, options: PCHOptions, metrics: MetricsRegistry, logger: Logger) {
        self.store = store
        self.options = options
        self.metrics = metrics
        self.logger = logger
        trees = UnpackedTrees(store: store, capacity: max(2, options.builders))
        queue = BuildQueue(capacity: options.queue, width: options.builders)
        for answer in ["ready", "waiting", "refused"] {
            metrics.begin("kheaderd_pch_requests_total", .init(["answer": answer]))
        }
        for result in ["built", "cancelled", "failed"] {
            metrics.begin("kheaderd_pch_builds_total", .init(["result": result]))
        }
        for state in [SmokeResult.State.verified, .failed] {
            metrics.begin("kheaderd_smoke_compiles_total", .init(["state": state.rawValue]))
        }
    }

    var menuTask: Task<PCHMenu, Never>?

    /// Looks for compilers when first asked.
    func menu() async -> PCHMenu {
        if let menuTask { return await menuTask.value }
        let task = Task { [options] in await PCHMenu(options) }
        menuTask = task
        return await task.value
    }

    /// What PCHs can be had of: the clangs that are here, and those that builders have, which have no profiles.
    func list() async throws -> ToolchainList {
        let menu = await menu()
        var list = menu.list
        for sent in try await store.toolchains() {
            guard let toolchain = try? JSONDecoder().decode(Toolchain.self, from: Data(sent.utf8)),
                menu.toolchain(toolchain.id) == nil
            else { continue }
            list.toolchains.append(ToolchainList.Entry(toolchain: toolchain, profiles: []))
        }
        return list
    }

    /// Begins to work on what was left undone.
    func start() {
        guard options.isOn, preparation == nil, !isClosed else { return }
        preparation = Task {
            let menu = await menu()
            // Then the look may have been cut off, and says nothing.
            if isClosed { return }
            // It may be installed later, and a server that serves headers is more than one that does not start.
            for (program, reason) in await options.registry.unusable() {
                logger.warning(
                    "a clang of pch.toolchains can't be used",
                    metadata: ["program": "\(program)", "reason": "\(reason)"])
            }
            if let off = menu.off {
                logger.notice("no precompiled headers are made", metadata: ["reason": "\(off)"])
            } else {
                let versions = menu.installed.map(\.toolchain.version).joined(separator: ", ")
                logger.info("precompiled headers can be made", metadata: ["toolchains": "\(versions)"])
                if options.isUnsandboxed {
                    logger.warning("compilers may run on uploaded headers without a sandbox (pch.unsandboxed)")
                }
            }
            await refill()
        }
    }

    /// Ends all builds; nothing of this uses the store after it.
    func close() async {
        isClosed = true
        menuTask?.cancel()
        let tasks = running.values + [preparation].compactMap(\.self)
        for task in tasks { task.cancel() }
        for task in tasks { await task.value }
        await trees.clear()
    }

    /// How many jobs wait and run, and what those are that run.
    struct Figures: Sendable {
        var waiting: Int
        var running: Int
        var names: [String]
    }

    var figures: Figures {
        let builds = pending.filter { queue.isRunning(.pch(key: $0.key)) }.map { _, pending in
            let order = pending.order
            return "PCH \(order.umbrella.name) for \(order.profile.name), \(order.toolchain.version)"
        }
        let smokes = untried.keys.filter { queue.isRunning(.smoke(tree: $0)) }.map { tree in
            "smoke compile of tree \(PageText.short("\(tree)"))"
        }
        return Figures(waiting: queue.waitingCount, running: queue.runningCount, names: (builds + smokes).sorted())
    }

    // MARK: Asking

    /// - Parameter acceptsBuilders: whether the client takes PCHs that nobody here has proved.
    /// - Throws: `Problem`, why there is none; ``Refusal`` with `pch-queue-full`.
    func answer(_ request: PCHRequest, acceptsBuilders: Bool) async throws -> Answer {
        do {
            let answer = try await find(request, acceptsBuilders: acceptsBuilders)
            let isReady = if case .ready = answer { true } else { false }
            count("requests", "answer", isReady ? "ready" : "waiting")
            return answer
        } catch {
            count("requests", "answer", "refused")
            throw error
        }
    }

    private func find(_ request: PCHRequest, acceptsBuilders: Bool) async throws -> Answer {
        let menu = await menu()
        guard !isClosed else { throw CancellationError() }
        var item = try await resolve(request, menu)
        if item.toolchain != nil { store.pchAsked(item.demand) }
        if let answer = have(item.key, acceptsBuilders) { return answer }
        guard let toolchain = item.toolchain else {
            guard store.pch(item.key) == nil else { throw Self.rankTooLow }
            throw Problem(
                .toolchainUnknown,
                "This server has no clang \(request.toolchain), and nobody has sent this PCH of it. GET /v1/toolchains lists those that it has."
            )
        }
        if let off = menu.off { throw store.pch(item.key) == nil ? Problem(.pchOff, off) : Self.rankTooLow }
        if item.order == nil { item = try await resolve(request, menu, anew: true) }
        guard let order = item.order else { throw Problem(.internalError, "A PCH's order was not kept.") }
        // From here on nothing is waited for: what another request does meanwhile is seen.
        if let answer = have(item.key, acceptsBuilders) { return answer }
        if let failure = store.pchFailure(item.key) { throw Problem(failure.code, failure.detail) }
        if let trouble = troubles[item.key], store.now < trouble.until { throw trouble.problem }
        guard !isClosed, want(.pch(key: item.key), .asked, Pending(order: order, toolchain: toolchain)) else {
            throw Refusal(
                problem: Problem(
                    .pchQueueFull,
                    "\(queue.capacity) builds wait already. Ask again in a minute; use the headers until then."),
                fields: [.retryAfter: "60"])
        }
        return .waiting(key: item.key, progress(item.key))
    }

    /// What can be said of a key without looking any further.
    private func have(_ key: Digest, _ acceptsBuilders: Bool) -> Answer? {
        if let pch = store.pch(key) {
            // One that is just being put on record is not there in whole: its manifest is missing.
            let isOwn = pch.rank == PCHManifest.Rank.server.rawValue
            if isOwn ? !queue.isRunning(.pch(key: key)) : acceptsBuilders { return .ready(key: key, pch) }
        }
        guard queue.position(of: .pch(key: key)) != nil else { return nil }
        // One that was being made ahead goes before others of these now.
        perform(queue.handle(.wanted(.pch(key: key), .asked)))
        return .waiting(key: key, progress(key))
    }

    private static var rankTooLow: Problem {
        Problem(
            .pchRankTooLow,
            "Of this PCH there is only one that a builder made, and this server has not proved it. Add rank=builder to the query (kheader: --accept-builders) to take it."
        )
    }

    private func progress(_ key: Digest) -> PCHProgress {
        let job = Job.pch(key: key)
        let position = queue.position(of: job) ?? 0
        guard queue.isRunning(job) else {
            return PCHProgress(
                state: .queued, position: position, step: nil, stepNumber: 0, steps: 0,
                retryAfter: min(2 + 3 * position, 30))
        }
        let step = steps.withLock { $0[key] }
        return PCHProgress(
            state: .building, position: 0, step: step?.name, stepNumber: step?.number ?? 0, steps: step?.count ?? 0,
            retryAfter: 2)
    }

    // MARK: Building

    /// - Returns: whether it is in the queue now.
    func want(_ job: Job, _ priority: BuildQueue<Job>.Priority, _ order: Pending? = nil) -> Bool {
        if case .pch(let key) = job, pending[key] == nil { pending[key] = order }
        let actions = queue.handle(.wanted(job, priority))
        perform(actions)
        return !actions.contains(.refuse(job))
    }

    private func perform(_ actions: [BuildQueue<Job>.Action]) {
        for action in actions {
            switch action {
            case .refuse(.pch(let key)): pending[key] = nil
            case .refuse(.smoke(let tree)): untried[tree] = nil
            case .start(let job):
                guard !isClosed else { continue }
                begun += 1
                let number = begun
                running[number] = Task.detached {
                    await self.run(job)
                    await self.ended(number)
                }
            }
        }
    }

    private func run(_ job: Job) async {
        switch job {
        case .pch(let key): if let order = pending[key] { await build(key, order) }
        case .smoke(let tree): if let tree = untried[tree] { await smoke(tree) }
        }
        switch job {
        case .pch(let key):
            pending[key] = nil
            steps.withLock { $0[key] = nil }
        case .smoke(let tree): untried[tree] = nil
        }
        perform(queue.handle(.finished(job)))
        await refill()
        if queue.isIdle { await trees.clear() }
    }

    private func ended(_ number: Int) { running[number] = nil }

    private func build(_ key: Digest, _ pending: Pending) async {
        let start = ContinuousClock.now
        let order = pending.order
        var metadata: Logger.Metadata = [
            "key": "\(key)", "tree": "\(order.tree)", "toolchain": "\(order.toolchain.version)",
            "profile": "\(order.profile.name)", "umbrella": "\(order.umbrella.name)",
        ]
        do {
            // Not of the trace of whoever asked first: others wait for it, too.
            try await withSpan("build PCH", context: .topLevel) { span in
                span.attributes["kheaderd.toolchain"] = order.toolchain.version
                span.attributes["kheaderd.profile"] = order.profile.name
                span.attributes["kheaderd.umbrella"] = order.umbrella.name
                try await make(key, pending)
            }
            troubles[key] = nil
            let duration = ContinuousClock.now - start
            metrics.time("kheaderd_pch_build_seconds", .init(), duration)
            count("builds", "result", "built")
            metadata["milliseconds"] = "\(Int(duration / .milliseconds(1)))"
            logger.info("PCH made", metadata: metadata)
        } catch is CancellationError {
            count("builds", "result", "cancelled")
        } catch let error where Task.isCancelled {
            count("builds", "result", "cancelled")
            logger.debug("PCH given up", metadata: ["key": "\(key)", "error": "\(error)"])
        } catch {
            count("builds", "result", "failed")
            metadata["error"] = "\(error)"
            await failed(key, error, metadata)
        }
    }

    private func failed(_ key: Digest, _ error: any Error, _ metadata: Logger.Metadata) async {
        if let problem = error as? Problem, Self.failures.contains(problem.code) {
            logger.notice("PCH failed", metadata: metadata)
            do {
                return try await store.pchFailed(key, problem)
            } catch {
                logger.error("a failure can't be kept", metadata: ["key": "\(key)", "error": "\(error)"])
            }
        } else {
            logger.error("PCH failed for a reason of this server's", metadata: metadata)
        }
        let problem =
            error as? Problem
            ?? Problem(
                .internalError, "Something went wrong in the server while it made this PCH. Its log has the reason.")
        if troubles.count >= Self.maximumMemories { troubles.removeAll() }
        troubles[key] = (problem, store.now + Self.troubleSeconds)
    }

    /// What headers, flags and compiler are to blame for: another try has the same end.
    private static let failures: Set<ProblemCode> = [.pchBuildFailed, .pchPairRefused, .pchLimit, .pchUnproved]

    private func make(_ key: Digest, _ pending: Pending) async throws {
        guard let building = await menu().building else { throw CancellationError() }
        let scratch = try makeScratch("build", outputs: Self.outputs.build)
        defer { scratch.remove() }
        let work = try scratch.makeFolder("work")
        let output = "\(scratch.path)/output.pch"
        let manifest = try await trees.with(pending.order.tree) { tree in
            try await building.build(
                pending.order, with: pending.toolchain, tree: tree, scratch: work, output: output
            ) { step in self.steps.withLock { $0[key] = step } }
        }
        try Task.checkCancellation()
        guard manifest.key == key else {
            throw Problem(.internalError, "The builder made another PCH than was wanted.")
        }
        try await publish(manifest, from: output)
    }

    func publish(_ manifest: PCHManifest, from path: String) async throws {
        try await store.publishPCH(
            manifest.key, tree: manifest.treeDigest, rank: manifest.rank.rawValue, digest: manifest.digest,
            document: String(decoding: try JSON.encode(manifest), as: UTF8.self), from: path)
    }

    func makeScratch(_ what: String, outputs: Int) throws -> StagingFolder {
        try store.makeStagingFolder(what, reserving: outputs * options.limits.outputBytes)
    }

    func count(_ what: String, _ label: String, _ value: String) {
        metrics.count("kheaderd_pch_\(what)_total", .init([label: value]))
    }
}
