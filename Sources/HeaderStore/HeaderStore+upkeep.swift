internal import GRDB
internal import HeaderArchive
internal import KernelHeaders
internal import Logging
public import OperatorDocuments
internal import Synchronization

/// What keeps a store well: verify, collect and repack.
extension HeaderStore {
    // MARK: Verify

    /// How the verify stands.
    public var verification: StoreVerification { verifier.progress }

    /// Begins a round that an operator asked for, which reads as fast as requests leave it room. One in the background gives
    /// way to it.
    ///
    /// - Returns: how it stands; and whether it is new: one that was asked for goes on.
    public func startVerify() -> (progress: StoreVerification, isNew: Bool) {
        guard let turn = verifier.begin() else { return (verifier.progress, false) }
        disk.makeRoom()
        let progress = verifier.progress
        upkeepTasks.withLock { tasks in
            tasks.append(Task { try? await self.verify(turn, bytesPerSecond: nil) })
        }
        return (progress, true)
    }

    /// Reads everything in the store once, and acts on what is damaged.
    ///
    /// - Throws: `CancellationError` if the store is closed; `SystemCallError`, what SQLite says.
    public func verify() async throws -> StoreVerification {
        if let turn = verifier.begin() { try await verify(turn, bytesPerSecond: nil) }
        return verifier.progress
    }

    private func verify(_ turn: Int, bytesPerSecond: Int?) async throws {
        try await verifies.run { [verifier] in try verifier.run(turn: turn, bytesPerSecond: bytesPerSecond) }
    }

    /// Verifies slowly in the background, one round after the other, until the task is cancelled.
    public func verifyForEver() async {
        while !Task.isCancelled {
            let last = verifier.progress
            let isDue = last.ended.map { now - $0 >= options.verifySeconds } ?? true
            if options.verifyBytesPerSecond > 0, isDue, let turn = verifier.resume() {
                do {
                    try await withTaskCancellationHandler {
                        try await verify(turn, bytesPerSecond: options.verifyBytesPerSecond)
                    } onCancel: {
                        pace.cancel()
                    }
                } catch is CancellationError {
                } catch {
                    logger.error("the verify can't go on", metadata: ["error": "\(error)"])
                }
            }
            try? await Task.sleep(for: .seconds(60))
        }
    }

    // MARK: Collect

    /// The last collect, or the one under way.
    public var collection: StoreCollection { collector.progress }

    /// What a collect would remove.
    ///
    /// - Throws: `Problem` with `store-damaged`; `SystemCallError`, what SQLite says.
    public func collectDryRun() async throws -> StoreCollection {
        try await collects.run { [collector] in try collector.dryRun() }
    }

    /// Begins to remove it.
    ///
    /// - Returns: how it stands; and whether it is new, or one was under way.
    public func startCollect() -> (progress: StoreCollection, isNew: Bool) {
        guard collector.begin() else { return (collector.progress, false) }
        disk.makeRoom()
        let progress = collector.progress
        upkeepTasks.withLock { tasks in
            tasks.append(
                Task {
                    do {
                        try await self.collects.run { [collector = self.collector] in try collector.run() }
                    } catch {
                        self.logger.error("a collect ended early", metadata: ["error": "\(error)"])
                    }
                })
        }
        return (progress, true)
    }

    /// Removes what nothing refers to, and writes packs anew that are mostly dead.
    ///
    /// - Throws: as ``collectDryRun()``; `Problem` with `disk-full`; `CancellationError` if the store is closed.
    public func collect() async throws -> StoreCollection {
        disk.makeRoom()
        if collector.begin() { try await collects.run { [collector] in try collector.run() } }
        return collector.progress
    }

    // MARK: Repack

    /// The last repack, or the one under way.
    public var repacking: StoreRepacking { repacker.progress }

    /// Begins to compress again, as tightly as pays, what came in fast.
    ///
    /// - Returns: how it stands; and whether it is new, or one was under way.
    public func startRepack() -> (progress: StoreRepacking, isNew: Bool) {
        guard repacker.begin() else { return (repacker.progress, false) }
        let progress = repacker.progress
        upkeepTasks.withLock { tasks in
            tasks.append(
                Task {
                    do {
                        try await self.runRepack()
                    } catch {
                        self.logger.error("a repack ended early", metadata: ["error": "\(error)"])
                    }
                })
        }
        return (progress, true)
    }

    /// Compresses again, as tightly as pays, what came in fast.
    ///
    /// - Throws: `Problem` with `disk-full`, or with `store-damaged` once all other packs are done; `CancellationError` if the
    ///   store is closed; `SystemCallError`, what SQLite says.
    public func repack() async throws -> StoreRepacking {
        if repacker.begin() { try await runRepack() }
        return repacker.progress
    }

    private func runRepack() async throws { try await repacks.run { [repacker] in try repacker.run() } }

    /// Repacks in the background, some time after uploads, until the task is cancelled.
    ///
    /// - Parameter pause: waits until it is looked again whether there is something to do.
    public func repackForEver(
        pause: @Sendable () async -> Void = { try? await Task.sleep(for: .seconds(60)) }
    ) async {
        guard options.repackSeconds > 0 else { return }
        var schedule = RepackSchedule(seconds: options.repackSeconds)
        while !Task.isCancelled {
            do {
                let loose = try await catalogue.pool.read { [catalogue] in try catalogue.loosePacks($0).map(\.id) }
                if schedule.isDue(loose, at: options.uptime()), repacker.begin() {
                    try await withTaskCancellationHandler {
                        try await runRepack()
                    } onCancel: {
                        pace.cancel()
                    }
                }
            } catch is CancellationError {
            } catch {
                logger.error("the repack can't go on", metadata: ["error": "\(error)"])
            }
            await pause()
        }
    }

    /// Ends what was started and waits for it; where a verify was is on record.
    public func stopUpkeep() async {
        pace.cancel()
        let tasks = upkeepTasks.withLock { tasks in
            defer { tasks = [] }
            return tasks
        }
        for task in tasks { await task.value }
    }
}
