import KernelHeaders
import OperatorDocuments

extension FleetView {
    /// What the page is made of.
    struct Documents: Sendable {
        var query: FleetQuery
        var list: KernelList
        var coverage: Coverage
        var status: StoreStatus
        /// Of the store's disk, 0 to 1.
        var freeRatio: Double
        var builds: PCHService.Figures
        /// Seconds since 1970.
        var now: Int
    }

    init(_ documents: Documents) {
        let (coverage, status) = (documents.coverage, documents.status)
        let (query, list) = (documents.query, documents.list)
        isEmptyStore =
            status.kernels == 0 && status.btfKernels == 0 && coverage.kernels.all == 0
            && list.kernels.isEmpty && !query.isFiltered
        tiles = isEmptyStore ? [] : Self.tiles(documents)
        let lacking = coverage.hosts.all - coverage.hosts.headers
        self.coverage =
            coverage.hosts.all == 0
            ? nil
            : CoverageBar(
                "Hosts", [("good", "Headers here", coverage.hosts.headers), ("poor", "Headers missing", lacking)])
        firstFields = query.firstFields
        otherFields = query.otherFields
        isDetailed = query.isDetailed
        isFiltered = query.isFiltered
        heading = query.isFiltered ? "Kernels that match" : "All kernels"
        rows = list.kernels.map { Row($0, now: documents.now) }
        hasRows = !rows.isEmpty || list.next != nil
        nextPath = list.next.map { query.path(cursor: $0) }
        firstPath = query.isFirstPage ? nil : query.path(cursor: nil)
        conflicts = coverage.conflicts.map { conflict in
            Conflict(
                path: PagePath.kernel(conflict.buildID), release: conflict.release ?? "no release",
                shortID: PageText.short("\(conflict.buildID)"), sentence: Self.sentence(conflict))
        }
        let more = coverage.conflictCount - conflicts.count
        moreConflicts = more > 0 ? "\(PageText.count(more)) more" : nil
        queue = Self.queue(documents.builds)
        foot = "As of \(UTCTime.text(documents.now))."
    }

    private static func tiles(_ documents: Documents) -> [Tile] {
        let (coverage, status) = (documents.coverage, documents.status)
        let missing = coverage.kernels.all - coverage.kernels.headers
        let derived = status.bundleBytes + (status.pchBytes ?? 0)
        let free = Int(documents.freeRatio * 100)
        let isReadOnly = status.isReadOnly ?? false
        return [
            Tile(
                name: "Hosts", value: PageText.count(coverage.hosts.all),
                note: "\(coverage.hosts.all == 1 ? "runs" : "run") \(PageText.count(coverage.kernels.all, "kernel"))",
                tone: ""),
            Tile(
                name: "Without headers", value: PageText.count(missing),
                note: "of the kernels that run", tone: missing > 0 ? "poor" : ""),
            Tile(
                name: "Conflicts", value: PageText.count(coverage.conflictCount),
                note: "kernels with several trees", tone: coverage.conflictCount > 0 ? "poor" : ""),
            Tile(
                name: "Store", value: ByteSize.text(status.packBytes),
                note: "for \(ByteSize.text(status.rawBytes)) of headers", tone: ""),
            Tile(
                name: "Disk free", value: "\(free)%",
                note: isReadOnly ? "Uploads are refused" : "\(ByteSize.text(derived)) can be made again",
                tone: isReadOnly || free < 10 ? "poor" : ""),
        ]
    }

    private static func sentence(_ conflict: KernelConflict) -> String {
        let others = conflict.sides.filter { !$0.isServed }
        let hosts = others.reduce(0) { $0 + $1.hosts }
        let what = others.contains { $0.artefact == .headers } ? "headers" : "BTF"
        return hosts == 0
            ? "Other \(what) were sent."
            : "\(PageText.count(hosts, "host has", "hosts have")) other \(what) than this server."
    }

    private static func queue(_ builds: PCHService.Figures) -> [String] {
        guard builds.waiting + builds.running > 0 else { return ["Nothing waits and nothing runs."] }
        let waiting = builds.waiting == 0 ? [] : ["\(PageText.count(builds.waiting, "build")) waiting"]
        return builds.names.map { "Running: \($0)" } + waiting
    }
}

extension FleetView.Row {
    init(_ kernel: KernelEntry, now: Int) {
        path = PagePath.kernel(kernel.identity.buildID)
        release = kernel.identity.release ?? "no release"
        shortID = PageText.short("\(kernel.identity.buildID)")
        architecture = kernel.identity.architecture?.machine ?? ""
        hosts = PageText.count(kernel.hosts)
        headers = .headers(kernel)
        btf = .btf(kernel)
        smoke = kernel.smoke.map { .smoke($0) } ?? .none("–")
        var marks: [Badge] = []
        if !kernel.damaged.isEmpty { marks.append(.poor("damaged")) }
        if kernel.conflicts > 0 { marks.append(.poor("conflict")) }
        if kernel.pin != nil { marks.append(.none("pinned")) }
        self.marks = marks
        seen = PageText.age(kernel.lastSeen, now: now)
        seenAt = UTCTime.text(kernel.lastSeen)
    }
}

extension Badge {
    static func headers(_ kernel: KernelEntry) -> Badge {
        if let headers = kernel.headers {
            return headers.source == .agent ? .fair("agent") : .good(headers.source.rawValue)
        }
        return kernel.purge == nil ? .poor("missing") : .none("deleted")
    }

    static func btf(_ kernel: KernelEntry) -> Badge {
        if kernel.btfBytes != nil { return .good("here") }
        if kernel.damaged.contains(.btf) { return .poor("lost") }
        return kernel.identity.hasBTF == false ? .none("has none") : .fair("missing")
    }

    static func smoke(_ result: SmokeResult) -> Badge {
        switch result.state {
        case .verified: .good("verified")
        case .failed: .poor("failed")
        case .untried: .none("untried")
        }
    }
}
