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
/// and those some seconds later, many at once; by itself it takes no transaction. All of it runs on one thread of its own.
final class CheckIns: Sendable {
    private struct State {
        var claims: UploadClaims
        /// Headers that the store has.
        var headers: [BuildID: HeldArtefact] = [:]
    }

    private struct Waiting {
        var sighting: Sighting
        var continuation: CheckedContinuation<SightingAnswer, any Error>
    }

    private struct Line {
        var waiting: [Waiting] = []
        var isServed = false
    }

    /// Times that are not written yet. Used on `queue` only.
    private struct Times {
        var hosts: [HostID: Int] = [:]
        var isFlushPlanned = false
        var isClosed = false
    }

    /// The most reports that one transaction writes.
    private static let batch = 512
    /// How many hosts' times of their last report may be in memory alone.
    private static let maximumTimes = 8192

    private let catalogue: Catalogue
    private let btf: BTFStore
    private let disk: DiskBudget
    private let derivedBytes: @Sendable () -> Int
    private let limits: [Artefact: Int]
    private let flushSeconds: Int
    private let now: @Sendable () -> Int
    private let uptime: @Sendable () -> Int
    private let logger: Logger
    private let opinions: Int
    private let state: Mutex<State>
    private let line = Mutex(Line())
    private let times = Mutex(Times())
    private let queue = DispatchQueue(label: "check-ins")

    /// - Parameters:
    ///   - derivedBytes: what derived data takes on the disk, which gives way to uploads.
    ///   - limits: bytes that an upload of each artefact may have.
    ///   - flushSeconds: how long the time of a report that says nothing new may be in memory alone.
    ///   - now: seconds since 1970.
    ///   - uptime: seconds of a clock that is never set back.
    init(
        catalogue: Catalogue, btf: BTFStore, disk: DiskBudget, derivedBytes: @escaping @Sendable () -> Int,
        limits: [Artefact: Int], rules: UploadClaims.Rules, flushSeconds: Int, now: @escaping @Sendable () -> Int,
        uptime: @escaping @Sendable () -> Int, logger: Logger
    ) throws {
        self.catalogue = catalogue
        self.btf = btf
        self.disk = disk
        self.derivedBytes = derivedBytes
        self.limits = limits
        self.flushSeconds = flushSeconds
        self.now = now
        self.uptime = uptime
        self.logger = logger
        opinions = rules.opinions
        let headers = try catalogue.pool.read { try catalogue.heldHeaders(opinions: rules.opinions, $0) }
        state = Mutex(State(claims: UploadClaims(rules: rules), headers: headers))
    }

    /// Writes what is not written yet. Reports that come later get no answer.
    func close() throws {
        try queue.sync {
            guard !times.withLock({ $0.isClosed }) else { return }
            try catalogue.write { try flush($0) }
            times.withLock { $0.isClosed = true }
        }
    }

    func withClaims<Value: Sendable>(_ body: (_ claims: inout UploadClaims, _ now: Int) -> Value) -> Value {
        let now = uptime()
        return state.withLock { body(&$0.claims, now) }
    }

    /// Claims that somebody holds.
    var liveClaims: Int { withClaims { claims, now in claims.liveClaims(now: now) } }

    /// Reads again what hosts' headers of a kernel are held against.
    func headersChanged(_ id: BuildID) throws {
        let held = try catalogue.pool.read { try catalogue.heldHeaders(id, opinions: opinions, $0) }
        state.withLock { $0.headers[id] = held[id] }
    }

    /// Answers a host's report, when it is durable.
    ///
    /// - Throws: `Problem` with `disk-full`, or what SQLite says.
    func answer(_ sighting: Sighting) async throws -> SightingAnswer {
        try await withCheckedThrowingContinuation { continuation in
            let isServed = line.withLock { line in
                defer { line.isServed = true }
                line.waiting.append(Waiting(sighting: sighting, continuation: continuation))
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
            let result = Result { try put(batch.map(\.sighting)) }
            for (index, waiting) in batch.enumerated() {
                waiting.continuation.resume(with: result.map { $0[index] })
            }
        }
    }

    /// Answers a batch of reports, when all that is new in them is written: in one transaction, or in none if nothing is.
    private func put(_ batch: [Sighting]) throws -> [SightingAnswer] {
        let seconds = now()
        // Not within the transaction: whoever gives up bundles waits for it.
        let derived = derivedBytes()
        let (asked, isNew) = try askIfKnown(batch, derived: derived)
        let answers: [SightingAnswer]
        if isNew {
            answers = try write(batch, asked, at: seconds, derived: derived)
        } else {
            answers = asked.map { SightingAnswer(verdicts: $0.map(\.verdict), time: seconds) }
            let isFull = times.withLock { times in
                for sighting in batch { times.hosts[sighting.host] = seconds }
                return times.hosts.count >= Self.maximumTimes
            }
            if isFull { try catalogue.write { try flush($0) } }
        }
        planFlush()
        return answers
    }

    /// - Returns: what the server wants of each host, or nothing if a report is not on record; and whether there is
    ///   something to write.
    private func askIfKnown(_ batch: [Sighting], derived: Int) throws -> (asked: [[Asked]], isNew: Bool) {
        try catalogue.pool.read { database in
            guard try batch.allSatisfy({ try catalogue.isOnRecord($0, database) }) else { return ([], true) }
            let asked = batch.map { ask($0, derived: derived) }
            let isNew = try asked.joined().contains { try newOpinion($0, database) != nil }
            return (asked, isNew)
        }
    }

    /// What a host's offer says of what is held, if it is not on record.
    private func newOpinion(
        _ asked: Asked, _ database: Database
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
        if opinion == .differs, before == nil, try catalogue.isFull(key, for: digest, database) { return nil }
        return (opinion, digest, key)
    }

    /// - Parameter asked: what the server wants of each host; nothing if that is not known yet.
    private func write(
        _ batch: [Sighting], _ asked: [[Asked]], at seconds: Int, derived: Int
    ) throws -> [SightingAnswer] {
        var changed: Set<BuildID> = []
        let answers = try catalogue.write { database in
            var answers: [SightingAnswer] = []
            for (index, sighting) in batch.enumerated() {
                if try !catalogue.put(sighting, at: seconds, database) {
                    times.withLock { $0.hosts[sighting.host] = seconds }
                }
                let asked = asked.isEmpty ? ask(sighting, derived: derived) : asked[index]
                for asked in asked {
                    guard let (opinion, digest, key) = try newOpinion(asked, database) else { continue }
                    try catalogue.put(
                        opinion: digest, of: sighting.host, on: key, agrees: opinion == .agrees, at: seconds, database)
                    if opinion == .differs {
                        logger.info("a host has another digest", metadata: Self.metadata(sighting, asked.verdict))
                    }
                    if key.artefact == .headers { changed.insert(key.kernel) }
                    if opinion == .agrees, key.artefact == .headers {
                        try catalogue.raiseIfAgreed(key.kernel, opinions: opinions, database)
                    }
                }
                answers.append(SightingAnswer(verdicts: asked.map(\.verdict), time: seconds))
            }
            if times.withLock({ $0.hosts.count >= Self.maximumTimes }) { try flush(database) }
            return answers
        }
        for kernel in changed { try headersChanged(kernel) }
        return answers
    }

    private typealias Asked = (question: UploadClaims.Question, verdict: ArtefactVerdict, opinion: Opinion?)

    /// What the server wants of a host's offers; what the host does not offer, it lets go of.
    private func ask(_ sighting: Sighting, derived: Int) -> [Asked] {
        let kernel = sighting.kernel.buildID
        let now = uptime()
        return state.withLock { state in
            for artefact in Artefact.allCases where !sighting.offers.contains(where: { $0.artefact == artefact }) {
                state.claims.withdraw(sighting.host, UploadClaims.Key(kernel: kernel, artefact: artefact))
            }
            return sighting.offers.map { offer in
                let held =
                    switch offer.artefact {
                    case .headers: state.headers[kernel]
                    case .btf: btf.record(kernel).map { HeldArtefact(digest: $0.digest, standing: .kernelsOwn) }
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
                return (question, verdict, opinion)
            }
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

    // MARK: Times

    private func planFlush() {
        let isNew = times.withLock { times in
            guard !times.hosts.isEmpty, !times.isFlushPlanned else { return false }
            times.isFlushPlanned = true
            return true
        }
        guard isNew else { return }
        queue.asyncAfter(deadline: .now() + .seconds(flushSeconds)) { [weak self] in
            guard let self, !times.withLock({ $0.isClosed }) else { return }
            times.withLock { $0.isFlushPlanned = false }
            // What can't be written now is tried again with the next report.
            try? catalogue.write { try self.flush($0) }
        }
    }

    private func flush(_ database: Database) throws {
        let hosts = times.withLock { $0.hosts }
        guard !hosts.isEmpty else { return }
        try catalogue.seen(hosts, database)
        times.withLock { $0.hosts = [:] }
    }
}
