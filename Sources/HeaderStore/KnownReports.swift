internal import KernelHeaders

/// The latest reports of hosts that said nothing new and to which the answer stays the same as long as the store holds the
/// same of their kernel: so that a report of the same bytes can be answered at once, with nothing read, decoded or written.
///
/// A value without clock and locks. Beyond so many hosts, the one that was remembered first is forgotten first. Memory: 370
/// bytes a host, 25 MB at most, by the resident set of a server with 65,536.
struct KnownReports: Sendable {
    /// What an answer rests on, beside what the host itself said.
    struct Basis: Sendable, Equatable {
        /// The number of the change by which the store holds what headers were held against; nil if none were offered.
        var headers: Int?
        /// Of the BTF that is held, if any was offered.
        var btf: Digest?
    }

    /// A report by its bytes, and its answer.
    struct Report: Sendable {
        var host: HostID
        var kernel: BuildID
        /// SHA-256 of the report's bytes.
        var digest: Digest
        var basis: Basis
        /// Of ``answers``.
        fileprivate(set) var answer: Int
    }

    static let maximumHosts = 65_536

    private let capacity: Int
    private var reports: [Report?] = []
    /// Places of what was forgotten.
    private var free: [Int32] = []
    /// Where to put the next one once all places were taken.
    private var oldest = 0
    private var places: [Digest: Int32] = [:]
    private var hosts: [HostID: Int32] = [:]
    /// Each only once: there are a few, whatever the number of hosts.
    private var answers: [[ArtefactVerdict]] = []

    /// - Parameter capacity: hosts, at least 1.
    init(capacity: Int = KnownReports.maximumHosts) { self.capacity = capacity }

    /// Hosts.
    var count: Int { hosts.count }

    func report(_ digest: Digest) -> Report? { places[digest].flatMap { reports[Int($0)] } }

    /// The verdicts of a report, and their number: the same for the same ones, and small.
    func answer(to report: Report) -> (verdicts: [ArtefactVerdict], number: Int) {
        (answers[report.answer], report.answer)
    }

    mutating func forget(_ host: HostID) {
        guard let place = hosts.removeValue(forKey: host), let report = reports[Int(place)].take() else { return }
        places[report.digest] = nil
        free.append(place)
    }

    /// Remembers a report as its host's latest.
    ///
    /// - Parameter digest: SHA-256 of its bytes.
    mutating func remember(
        _ digest: Digest, of host: HostID, kernel: BuildID, basis: Basis, verdicts: [ArtefactVerdict]
    ) {
        forget(host)
        let number = answers.firstIndex(of: verdicts) ?? answers.count
        if number == answers.count { answers.append(verdicts) }
        if free.isEmpty, reports.count == capacity {
            if let report = reports[oldest] { forget(report.host) }
            oldest = (oldest + 1) % capacity
        }
        if free.isEmpty {
            free.append(Int32(reports.count))
            reports.append(nil)
        }
        let place = Int(free.removeLast())
        reports[place] = Report(host: host, kernel: kernel, digest: digest, basis: basis, answer: number)
        places[digest] = Int32(place)
        hosts[host] = Int32(place)
    }
}
