import KernelHeaders
import OperatorDocuments

extension KernelView {
    /// What the page is made of.
    struct Documents: Sendable {
        var detail: KernelDetail
        /// The first of them.
        var hosts: HostList
        /// Kernels that one may want to compare with.
        var others: [KernelEntry]
        /// What was asked for in the form.
        var comparison: Comparison?
        /// As clients take it: `http://kheaderd.example:8003`.
        var server: String
        /// Seconds since 1970.
        var now: Int
    }

    /// What became of comparing two kernels.
    struct Comparison: Sendable {
        /// As it was typed.
        var text: String
        var result: Result<(other: KernelEntry, difference: TreeDifference), Problem>
    }

    init(_ documents: Documents) {
        let (detail, entry) = (documents.detail, documents.detail.entry)
        let id = "\(entry.identity.buildID)"
        title = entry.identity.release ?? id
        let marks: [Badge?] = [
            .headers(entry).prefixed("headers"), .btf(entry).prefixed("BTF"),
            entry.hasPCH ? .good("PCH: here") : nil,
            entry.damaged.isEmpty ? nil : .poor("damaged"),
            entry.conflicts > 0 ? .poor(PageText.count(entry.conflicts, "conflict")) : nil,
            entry.pin == nil ? nil : Badge.none("pinned"),
        ]
        badges = marks.compactMap(\.self)
        lead = detail.absence
        damage = detail.damage.map { Damage($0) }
        identity = Self.identity(entry, documents.now)
        hasHeaders = entry.headers != nil
        artefacts = detail.artefacts.map { Artefact($0) }
        commands = Self.commands(detail, server: documents.server)
        hostsHeading = "Runs on \(PageText.count(entry.hosts, "host"))"
        hosts = documents.hosts.hosts.map { Host($0, now: documents.now) }
        hasHosts = !hosts.isEmpty
        allHostsPath = documents.hosts.next == nil ? nil : APIPath.hosts(entry.identity.buildID)
        reasons = detail.reports.map { report in
            Reason(
                hosts: "The agents of \(PageText.count(report.hosts, "host"))", steps: report.steps.map(PageText.step))
        }
        trust = Self.trust(entry)
        conflicts = (detail.conflict?.sides ?? []).map { Conflict($0, now: documents.now) }
        smoke = entry.smoke.map { .smoke($0) }
        smokeSentence = Self.sentence(entry.smoke, documents.now)
        smokeText = entry.smoke?.state == .failed ? entry.smoke?.detail : nil
        added = Self.added(detail)
        action = PagePath.kernel(entry.identity.buildID)
        compared = documents.comparison?.text ?? ""
        others = documents.others.filter { $0.identity.buildID != entry.identity.buildID }.map {
            Other(id: "\($0.identity.buildID)", release: $0.identity.release ?? "no release")
        }
        switch documents.comparison?.result {
        case .success(let (other, difference))?:
            self.difference = Difference(other, difference)
            differenceProblem = nil
        case .failure(let problem)?:
            difference = nil
            differenceProblem = problem.detail
        case nil:
            difference = nil
            differenceProblem = nil
        }
        foot = "As of \(UTCTime.text(documents.now))."
    }

    private static func identity(_ entry: KernelEntry, _ now: Int) -> [Fact] {
        let identity = entry.identity
        let facts: [(String, String?, Bool)] = [
            ("Build ID", "\(identity.buildID)", true), ("Release", identity.release, false),
            ("Version", identity.versionLine, false), ("Architecture", identity.architecture?.machine, false),
            ("Distribution", entry.distribution, false),
            ("First seen", "\(UTCTime.text(entry.firstSeen)), \(PageText.age(entry.firstSeen, now: now))", false),
            ("Last seen", "\(UTCTime.text(entry.lastSeen)), \(PageText.age(entry.lastSeen, now: now))", false),
            ("Pinned", entry.pin.map { Self.mark($0) }, false), ("Deleted", entry.purge.map { Self.mark($0) }, false),
        ]
        return facts.compactMap { name, text, isCode in text.map { Fact(name: name, text: $0, isCode: isCode) } }
    }

    private static func mark(_ mark: KernelMark) -> String {
        UTCTime.text(mark.time) + (mark.reason.map { ": \($0)" } ?? "")
    }

    private static func commands(_ detail: KernelDetail, server: String) -> [Command] {
        let id = detail.entry.identity.buildID
        let server = Command(purpose: "Say where this server is", text: "export KHEADER_URLS=\(server)")
        guard detail.entry.headers != nil else {
            return [
                server,
                Command(purpose: "Upload its headers, from a host that runs it", text: "kheader-agent run"),
                Command(
                    purpose: "Upload an archive or a folder of them",
                    text: "kheader push kheaders.tar.xz --build-id \(id)"),
            ]
        }
        var commands = [
            server,
            Command(
                purpose: "Start a tracing tool with these headers",
                text: "kheader exec --build-id \(id) -- bpftrace …"),
            Command(
                purpose: "Fetch the tree into a folder, verified",
                text: "kheader fetch --build-id \(id) --to headers"),
            Command(
                purpose: "The same with nothing but curl",
                text: "mkdir headers && curl -f \"$KHEADER_URLS\(APIPath.bundle(id, .tarGzip))\" | tar xz -C headers"),
        ]
        if detail.entry.btfBytes != nil {
            commands.append(
                Command(
                    purpose: "Fetch its BTF with elfutils’ client",
                    text: "DEBUGINFOD_URLS=$KHEADER_URLS debuginfod-find section \(id) \(APIPath.btfSectionName)"))
        }
        return commands
    }

    private static func trust(_ entry: KernelEntry) -> [Fact] {
        guard let headers = entry.headers else { return [] }
        let word =
            switch headers.source {
            case .agent: "agent: the word of one host"
            case .agreed: "agreed: several hosts say the same"
            case .push: "push: a person uploaded it"
            case .import: "import: out of a distribution’s packages"
            case .unknown: "unknown to this program"
            }
        return [
            Fact(name: "Source", text: word, isCode: false),
            Fact(name: "Tree digest", text: "\(headers.treeDigest)", isCode: true),
        ]
    }

    private static func sentence(_ smoke: SmokeResult?, _ now: Int) -> String {
        guard let smoke else { return "" }
        let by = smoke.compiler.map { "\($0)" }
        let when = smoke.time.map { PageText.age($0, now: now) }
        let tried = [by, when].compactMap { $0 }.joined(separator: ", ")
        return switch smoke.state {
        case .verified: "A small program compiles. \(tried)"
        case .failed: "A small program does not compile. \(tried)"
        case .untried: smoke.detail ?? "No compiler on this server has come to it."
        }
    }

    private static func added(_ detail: KernelDetail) -> [Fact] {
        guard let headers = detail.entry.headers else { return [] }
        let files = "\(PageText.count(headers.files, "file")), \(ByteSize.text(headers.bytes))"
        let bytes = detail.addedBytes.map { added in
            "\(ByteSize.text(added)) (\(PageText.share(added, of: headers.bytes)) of it)"
        }
        return [
            Fact(name: "The whole tree", text: files, isCode: false),
            Fact(
                name: "Added when it came",
                text: bytes ?? "not known any more: it was packed together with others", isCode: false),
        ]
    }
}

extension KernelView.Artefact {
    init(_ artefact: KernelArtefact) {
        path = artefact.path
        let file = artefact.path.split(separator: "/").last.map(String.init) ?? artefact.path
        switch artefact.kind {
        case .headers: name = file
        case .btf: name = "BTF"
        case .pch:
            name = "PCH \(artefact.umbrella ?? "") for \(PageText.short(artefact.profile ?? "unknown flags"))"
        }
        let size = artefact.bytes.map { ByteSize.text($0) } ?? "made when it is asked for"
        let clang = artefact.toolchain.map { "clang \(PageText.short("\($0)"))" }
        note = [size, clang, artefact.rank.map { "made by a \($0)" }].compactMap { $0 }.joined(separator: ", ")
    }
}

extension KernelView.Host {
    init(_ host: HostEntry, now: Int) {
        id = "\(host.host)"
        agent = host.agent
        seen = PageText.age(host.lastSeen, now: now)
        seenAt = UTCTime.text(host.lastSeen)
    }
}

extension KernelView.Conflict {
    init(_ side: KernelConflict.Side, now: Int) {
        let what = side.artefact == .headers ? "headers" : "BTF"
        heading = side.isServed ? "The server’s \(what)" : "Other \(what)"
        tree = PageText.side(side)
        sentence = PageText.sentence(side, now: now)
        hosts = side.hostIDs.map { "\($0)" }
        rest = PageText.more(side.hosts, shown: hosts.count, "host")
    }
}

extension KernelView.Damage {
    init(_ damage: KernelDamage) {
        sentence = damage.detail
        paths = damage.paths
        summary = paths.isEmpty ? nil : PageText.count(damage.pathCount, "file")
        more = PageText.more(damage.pathCount, shown: paths.count)
    }
}

extension KernelView.Difference {
    init(_ other: KernelEntry, _ difference: TreeDifference) {
        otherPath = PagePath.kernel(other.identity.buildID)
        otherName = other.identity.release ?? "\(other.identity.buildID)"
        sentence =
            difference.isEmpty
            ? "the trees are the same." : "\(PageText.count(difference.equal, "entry", "entries")) in common."
        parts = [("Added", difference.added), ("Removed", difference.removed), ("Changed", difference.changed)].map {
            name, part in
            return Part(
                name: name, count: PageText.count(part.count), isOpen: (1...50).contains(part.count),
                paths: part.paths, more: PageText.more(part.count, shown: part.paths.count))
        }
    }
}

extension Badge {
    /// `headers: import`.
    fileprivate func prefixed(_ what: String) -> Badge { Badge(tone: tone, text: "\(what): \(text)") }
}
