internal import Dispatch
internal import GRDB
internal import HeaderArchive
internal import KernelHeaders
internal import Logging
internal import Synchronization

/// Takes hosts' reports: puts them on record, durably, and answers what the server wants of them.
///
/// Reports that come while others are being written wait and are written together, in one transaction with one sync: a
/// fleet that boots at once costs some syncs, not one a host. A report that says nothing new writes nothing but the time,
/// and those some seconds later, many at once; by itself it takes no transaction. All of it runs on one thread of its own,
/// but the answer to a report that is known to say nothing new: that is at hand for whoever asks (``keptAnswer(_:_:)``).
final class CheckIns: Sendable {
    private struct State {
        var claims: UploadClaims
        /// Headers that the store has, with the number of the change that they came by.
        var headers: [BuildID: (held: HeldArtefact, change: Int)] = [:]
        /// Changes of them.
        var changes = 0
        var known = KnownReports()
    }

    private struct Report {
        var sighting: Sighting
        /// SHA-256 of the bytes it was sent as; nil if nobody said it.
        var digest: Digest?
        /// The ID of the token it came with; empty for none.
        var token: String
    }

    private struct Waiting {
        var report: Report
        var continuation: CheckedContinuation<SightingAnswer, any Error>
    }

    private struct Line {
        var waiting: [Waiting] = []
        var isServed = false
    }

    /// The most reports that one transaction writes.
    private static let batch = 512

    private let catalogue: Catalogue
    private let btf: BTFStore
    private let disk: DiskBudget
    private let derivedBytes: @Sendable () -> Int
    private let limits: [Artefact: Int]
    private let flushSeconds: Int
    private let maximumTimes: Int
    private let now: @Sendable () -> Int
    private let uptime: @Sendable () -> Int
    private let logger: Logger
    private let opinions: Int
    private let hosts: HostRules
    private let state: Mutex<State>
    private let headersReading = Mutex(())
    private let line = Mutex(Line())
    private let times = Mutex(UnwrittenTimes())
    private let queue = DispatchQueue(label: "check-ins")

    /// - Parameters:
    ///   - derivedBytes: what derived data takes on the disk, which gives way to uploads.
    ///   - limits: bytes that an upload of each artefact may have.
    ///   - flushSeconds: how long the time of a report that says nothing new may be in memory alone.
    ///   - maximumTimes: how many hosts' times may be so.
    ///   - now: seconds since 1970.
    ///   - uptime: seconds of a clock that is never set back.
    init(
        catalogue: Catalogue, btf: BTFStore, disk: DiskBudget, derivedBytes: @escaping @Sendable () -> Int,
        limits: [Artefact: Int], rules: UploadClaims.Rules, hosts: HostRules, flushSeconds: Int, maximumTimes: Int,
        now: @escaping @Sendable () -> Int,
        uptime: @escaping @Sendable () -> Int, logger: Logger
    ) throws {
        self.catalogue = catalogue
        self.btf = btf
        self.disk = disk
        self.derivedBytes = derivedBytes
        self.limits = limits
        self.flushSeconds = flushSeconds
        self.maximumTimes = maximumTimes
        self.now = now
        self.uptime = uptime
        self.logger = logger
        opinions = rules.opinions
        self.hosts = hosts
        let headers = try catalogue.pool.read { try catalogue.heldHeaders(opinions: rules.opinions, $0) }
        state = Mutex(State(claims: UploadClaims(rules: rules), headers: headers.mapValues { ($0, 0) }))
    }

    /// Writes what is not written yet. Reports that come later get no answer.
    func close() throws {
        try queue.sync {
            let wasClosed = times.withLock { times in
                defer { times.isClosed = true }
                return times.isClosed
            }
            guard !wasClosed else { return }
            do { try catalogue.write { try flush($0) } } catch {
                times.withLock { $0.isClosed = false }
                throw error
            }
        }
    }

    func withClaims<Value: Sendable>(_ body: (_ claims: inout UploadClaims, _ now: Int) -> Value) -> Value {
        let now = uptime()
        return state.withLock { body(&$0.claims, now) }
    }

    /// Why what hosts uploaded of a kernel was turned down lately; nil if nothing was.
    func refusal(of artefact: Artefact, _ kernel: BuildID) -> String? {
        withClaims { claims, now in claims.refusal(of: .init(kernel: kernel, artefact: artefact), now: now) }
    }

    /// Logs that an upload was turned down.
    ///
    /// - Parameter host: nil if it was a person's.
    func log(_ problem: Problem, of key: UploadClaims.Key, by host: HostID?) {
        var metadata: Logger.Metadata = [
            "buildID": "\(key.kernel)", "artefact": "\(key.artefact.rawValue)", "code": "\(problem.code.rawValue)",
            "detail": "\(problem.detail)",
        ]
        if let host { metadata["host"] = "\(host)" }
        logger.notice("an upload was turned down", metadata: metadata)
    }

    /// Claims that somebody holds.
    var liveClaims: Int { withClaims { claims, now in claims.liveClaims(now: now) } }

    /// Reads again what hosts' headers of these kernels are held against.
    func headersChanged(_ kernels: some Collection<BuildID>) throws {
        guard !kernels.isEmpty else { return }
        // One at a time, so that what was read last is what is there last.
        try headersReading.withLock { _ in
            let held = try catalogue.pool.read { database in
                try kernels.map { ($0, try catalogue.heldHeaders($0, opinions: opinions, database)[$0]) }
            }
            state.withLock { state in
                for (kernel, held) in held {
                    state.changes += 1
                    state.headers[kernel] = held.map { ($0, state.changes) }
                }
            }
        }
    }

    /// Answers at once a report that said nothing new when it came before: nil if it is not surely so still. It neither waits
    /// nor asks the catalogue; what it goes by is what ``ask(_:derived:)`` goes by, and as new.
    ///
    /// - Parameters:
    ///   - digest: SHA-256 of the bytes it was sent as.
    ///   - id: the kernel that it is to be of.
    /// - Returns: the answer, and its verdicts' number: the same one has the same verdicts.
    func keptAnswer(_ digest: Digest, _ id: BuildID) -> (answer: SightingAnswer, number: Int)? {
        let seconds = now()
        // In one step: a host that is forgotten says nothing more of which only the time would be noted.
        let answer = state.withLock { state -> (kept: (verdicts: [ArtefactVerdict], number: Int), takesFlush: Bool)? in
            guard let report = state.known.report(digest), report.kernel == id,
                report.basis.headers == nil || report.basis.headers == state.headers[id]?.change,
                report.basis.btf == nil || report.basis.btf == btf.record(id)?.digest
            else { return nil }
            let takesFlush = times.withLock { times -> Bool? in
                // Whoever finds it full writes them, which is not for here.
                guard !times.isClosed, times.hosts[report.host] != nil || times.hosts.count < maximumTimes else {
                    return nil
                }
                times.note(report.host, at: seconds)
                return times.takesFlush()
            }
            return takesFlush.map { (state.known.answer(to: report), $0) }
        }
        guard let answer else { return nil }
        if answer.takesFlush { planFlush() }
        return (SightingAnswer(verdicts: answer.kept.verdicts, time: seconds), answer.kept.number)
    }

    /// Answers a host's report, when it is durable.
    ///
    /// - Parameters:
    ///   - digest: SHA-256 of the bytes it was sent as, for ``keptAnswer(_:_:)``; nil to remember nothing.
    ///   - token: the ID of the token it came with; empty for none.
    /// - Throws: `Problem` with `disk-full`, or what SQLite says.
    func answer(_ sighting: Sighting, _ digest: Digest?, by token: String) async throws -> SightingAnswer {
        let report = Report(sighting: sighting, digest: digest, token: token)
        return try await withCheckedThrowingContinuation { continuation in
            let isServed = line.withLock { line in
                defer { line.isServed = true }
                line.waiting.append(Waiting(report: report, continuation: continuation))
                return line.isServed
            }
            if !isServed { queue.async { self.serve() } }
        }
    }

    private func serve() {
        while true {
            let batch = line.withLock { line in
                let batch = Array(line.waiting.prefix(Self.batch))
                line.waiting.removeFirst(batch.count)
                if batch.isEmpty { line.isServed = false }
                return batch
            }
            guard !batch.isEmpty else { return }
            let result = Result { try put(batch.map(\.report)) }
            for (index, waiting) in batch.enumerated() {
                waiting.continuation.resume(with: result.map { $0[index] })
            }
        }
    }

    /// Answers a batch of reports, when all that is new in them is written: in one transaction, or in none if nothing is.
    private func put(_ reports: [Report]) throws -> [SightingAnswer] {
        let batch = reports.map(\.sighting)
        // Whatever comes of them, what was known of these hosts may not be so any more.
        forget(batch.map(\.host))
        let seconds = now()
        // Not within the transaction: whoever gives up bundles waits for it.
        let derived = derivedBytes()
        let (asked, isNew) = try askIfKnown(batch, derived: derived)
        let outcomes: [(asked: Asked, isNew: Bool)]
        var forgotten: [HostID] = []
        if isNew {
            (outcomes, forgotten) = try write(reports, asked, at: seconds, derived: derived)
        } else {
            outcomes = asked.map { ($0, false) }
            let isFull = times.withLock { times in
                for sighting in batch { times.note(sighting.host, at: seconds) }
                return times.hosts.count >= maximumTimes
            }
            if isFull { try catalogue.write { try flush($0) } }
        }
        remember(reports, outcomes)
        forget(forgotten)
        if times.withLock({ $0.takesFlush() }) { planFlush() }
        return outcomes.map { SightingAnswer(verdicts: $0.asked.verdicts, time: seconds) }
    }

    /// What was known of hosts is not so any more.
    private func forget(_ hosts: [HostID]) {
        guard !hosts.isEmpty else { return }
        state.withLock { state in
            for host in hosts { state.known.forget(host) }
        }
    }

    /// Remembers those reports that may be answered at once when they come again. The last one of each host counts.
    private func remember(_ reports: [Report], _ outcomes: [(asked: Asked, isNew: Bool)]) {
        state.withLock { state in
            for (report, outcome) in zip(reports, outcomes) {
                let host = report.sighting.host
                if !outcome.isNew, let digest = report.digest, let basis = outcome.asked.basis {
                    state.known.remember(
                        digest, of: host, kernel: report.sighting.kernel.buildID, basis: basis,
                        verdicts: outcome.asked.verdicts)
                } else {
                    state.known.forget(host)
                }
            }
        }
    }

    /// - Returns: what the server wants of each host, or nothing if a report is not on record; and whether there is
    ///   something to write.
    private func askIfKnown(_ batch: [Sighting], derived: Int) throws -> (asked: [Asked], isNew: Bool) {
        try catalogue.pool.read { database in
            guard try batch.allSatisfy({ try catalogue.isOnRecord($0, database) }) else { return ([], true) }
            let asked = batch.map { ask($0, derived: derived) }
            let seconds = now()
            let isNew = try asked.contains {
                try $0.offers.contains { try newOpinion($0, at: seconds, database) != nil }
            }
            return (asked, isNew)
        }
    }

    /// What a host's offer says of what is held, if it is not on record.
    private func newOpinion(
        _ asked: AskedOffer, at seconds: Int, _ database: Database
    ) throws -> (opinion: Opinion, digest: Digest, key: UploadClaims.Key)? {
        guard asked.opinion != nil || asked.verdict.reason == .agreed, let digest = asked.question.offer.digest else {
            return nil
        }
        let key = asked.question.key
        let before = try catalogue.opinion(of: asked.question.host, on: key, database)
        // Enough others have said so; but this one may take back what it said.
        guard before?.digest != digest, let opinion = asked.opinion ?? (before?.agrees == false ? .agrees : nil) else {
            return nil
        }
        // What finds no room is not put on record, each time anew.
        if opinion == .differs, before == nil,
            case .none = try catalogue.room(forOtherDigest: digest, on: key, at: seconds, database)
        {
            return nil
        }
        return (opinion, digest, key)
    }

    /// - Parameter asked: what the server wants of each host; nothing if that is not known yet.
    /// - Returns: what it wants of each, and whether anything but the time was written; and hosts that had to make room.
    private func write(
        _ batch: [Report], _ asked: [Asked], at seconds: Int, derived: Int
    ) throws -> ([(asked: Asked, isNew: Bool)], forgotten: [HostID]) {
        var changed: Set<BuildID> = []
        var forgotten = Catalogue.Forgotten()
        let outcomes = try catalogue.write { database in
            var outcomes: [(asked: Asked, isNew: Bool)] = []
            for (index, report) in batch.enumerated() {
                let sighting = report.sighting
                var isNew = try catalogue.put(sighting, by: report.token, at: seconds, hosts, &forgotten, database)
                if !isNew { times.withLock { $0.note(sighting.host, at: seconds) } }
                let asked = asked.isEmpty ? ask(sighting, derived: derived) : asked[index]
                for asked in asked.offers {
                    guard let (opinion, digest, key) = try newOpinion(asked, at: seconds, database) else { continue }
                    isNew = true
                    changed.formUnion(
                        try catalogue.put(
                            opinion: digest, of: sighting.host, on: key, agrees: opinion == .agrees, at: seconds,
                            database))
                    if opinion == .differs {
                        logger.info("a host has another digest", metadata: Self.metadata(sighting, asked.verdict))
                    }
                    if key.artefact == .headers { changed.insert(key.kernel) }
                    if opinion == .agrees, key.artefact == .headers {
                        try catalogue.raiseIfAgreed(key.kernel, opinions: opinions, database)
                    }
                }
                outcomes.append((asked, isNew))
            }
            if times.withLock({ $0.hosts.count >= maximumTimes }) { try flush(database) }
            return outcomes
        }
        try headersChanged(changed.union(forgotten.changed))
        if !forgotten.hosts.isEmpty {
            logger.info(
                "hosts are forgotten to make room for others",
                metadata: ["hosts": "\(forgotten.hosts.count)", "kernels": "\(forgotten.kernels)"])
        }
        return (outcomes, forgotten.hosts)
    }

    private typealias AskedOffer = (question: UploadClaims.Question, verdict: ArtefactVerdict, opinion: Opinion?)

    /// What the server wants of a host.
    private struct Asked {
        var offers: [AskedOffer]
        /// Nil if it may soon want something else.
        var basis: KnownReports.Basis?

        var verdicts: [ArtefactVerdict] { offers.map(\.verdict) }
    }

    /// What the server wants of a host's offers; what the host does not offer, it lets go of.
    private func ask(_ sighting: Sighting, derived: Int) -> Asked {
        let kernel = sighting.kernel.buildID
        let now = uptime()
        return state.withLock { state in
            for artefact in Artefact.allCases where !sighting.offers.contains(where: { $0.artefact == artefact }) {
                state.claims.withdraw(sighting.host, UploadClaims.Key(kernel: kernel, artefact: artefact))
            }
            var asked = Asked(offers: [], basis: KnownReports.Basis())
            for offer in sighting.offers {
                let held: HeldArtefact?
                switch offer.artefact {
                case .headers:
                    held = state.headers[kernel]?.held
                    asked.basis?.headers = state.headers[kernel]?.change
                case .btf:
                    held = btf.record(kernel).map { HeldArtefact(digest: $0.digest, standing: .kernelsOwn) }
                    asked.basis?.btf = held?.digest
                }
                let question = UploadClaims.Question(
                    host: sighting.host, identity: sighting.kernel, offer: offer, limit: limits[offer.artefact] ?? 0,
                    held: held)
                var isGranted = false
                let (verdict, opinion) = state.claims.answer(question, now: now) {
                    isGranted = true
                    return Self.newToken()
                } hasRoom: { bytes in
                    disk.hasRoom(for: bytes, derived: derived)
                }
                if isGranted { logger.info("a host is to upload", metadata: Self.metadata(sighting, verdict)) }
                if !state.claims.isLasting(verdict, to: question) { asked.basis = nil }
                asked.offers.append((question, verdict, opinion))
            }
            return asked
        }
    }

    private static func metadata(_ sighting: Sighting, _ verdict: ArtefactVerdict) -> Logger.Metadata {
        [
            "buildID": "\(sighting.kernel.buildID)", "artefact": "\(verdict.artefact.rawValue)",
            "host": "\(sighting.host)", "reason": "\(verdict.reason.rawValue)",
        ]
    }

    /// 128 bits of the system's random numbers, which nobody can guess.
    private static func newToken() -> String {
        var random = SystemRandomNumberGenerator()
        return [random.next(), random.next()].map { (number: UInt64) in
            let text = String(number, radix: 16)
            return String(repeating: "0", count: 16 - text.utf8.count) + text
        }.joined()
    }

    // MARK: Hosts that are gone

    /// Forgets some of the hosts that were not seen since a time, and some of the kernels that no host runs and of which there
    /// is nothing, in a transaction that does not take long.
    ///
    /// - Returns: how many of each; nil if there are none.
    func forget(notSeenSince seconds: Int) async throws -> (hosts: Int, kernels: Int)? {
        try await withCheckedThrowingContinuation { continuation in
            queue.async { continuation.resume(with: Result { try self.forgetSome(notSeenSince: seconds) }) }
        }
    }

    private func forgetSome(notSeenSince seconds: Int) throws -> (hosts: Int, kernels: Int)? {
        let old = try catalogue.pool.read { try catalogue.hosts(notSeenSince: seconds, limit: Self.batch, $0) }
        // From here on they are heard on this thread only, which is busy; what they said until now is to count.
        forget(old)
        if !old.isEmpty { try catalogue.write { try flush($0) } }
        let forgotten = try catalogue.write { database in
            var forgotten = try catalogue.forget(old, notSeenSince: seconds, database)
            forgotten.kernels = try catalogue.forgetKernels(
                notSeenSince: seconds, limit: Self.batch - old.count, database)
            return forgotten
        }
        try headersChanged(forgotten.changed)
        return old.isEmpty && forgotten.kernels == 0 ? nil : (forgotten.hosts.count, forgotten.kernels)
    }

    // MARK: Times

    private func planFlush() {
        queue.asyncAfter(deadline: .now() + .seconds(flushSeconds)) { [weak self] in
            guard let self, !times.withLock({ $0.isClosed }) else { return }
            times.withLock { $0.isFlushPlanned = false }
            // What can't be written now is tried again with the next report.
            try? catalogue.write { try self.flush($0) }
        }
    }

    private func flush(_ database: Database) throws {
        let hosts = times.withLock { $0.take() }
        guard !hosts.isEmpty else { return }
        do { try catalogue.seen(hosts, database) } catch {
            times.withLock { $0.putBack(hosts) }
            throw error
        }
    }
}
