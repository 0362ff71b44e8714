import KernelHeaders
import OperatorDocuments

extension CoverageView {
    init(_ coverage: Coverage) {
        let (kernels, hosts) = (coverage.kernels, coverage.hosts)
        isEmpty = kernels.all == 0
        lead =
            isEmpty
            ? "No host has reported to this server."
            : "\(PageText.count(hosts.all, "host runs", "hosts run")) \(PageText.count(kernels.all, "kernel"))."
        func bar(
            _ id: String, _ name: String, _ there: KeyPath<Coverage.Count, Int>, _ tone: String, list: String? = nil
        ) -> Bar {
            let (here, missing) = (hosts[keyPath: there], hosts.all - hosts[keyPath: there])
            let of = "\(PageText.count(kernels[keyPath: there])) of \(PageText.count(kernels.all, "kernel"))"
            return Bar(
                id: id, name: "\(name): \(of)",
                missing: missing > 0 ? list : nil,
                bar: CoverageBar("Hosts", [("good", "Hosts with it", here), (tone, "Hosts without", missing)]))
        }
        bars = [
            bar("headers", "Headers", \.headers, "poor"), bar("btf", "BTF, or the kernel has none", \.btf, "fair"),
            bar(
                "pch", "Precompiled headers, made when asked for", \.pch, "none",
                list: "/?running=true&pch=false&sort=hosts"),
        ]
        gaps = coverage.gaps.map { Gap($0) }
        hasGaps = !gaps.isEmpty
        moreGaps = PageText.more(coverage.gapCount, shown: gaps.count)
        ambiguities = coverage.releases.map { Ambiguity($0) }
        moreAmbiguities = Self.more(coverage.releaseCount, ambiguities.count)
        splits = coverage.conflicts.map { Split($0, now: coverage.time) }
        moreSplits = Self.more(coverage.conflictCount, splits.count)
        foot = "As of \(UTCTime.text(coverage.time))."
    }

    private static func more(_ all: Int, _ shown: Int) -> String? {
        PageText.more(all, shown: shown).map { "\($0), in the API" }
    }
}

extension CoverageView.Gap {
    init(_ gap: Coverage.Gap) {
        let identity = gap.kernel.identity
        path = PagePath.kernel(identity.buildID)
        release = identity.release ?? "no release"
        shortID = PageText.short("\(identity.buildID)")
        architecture = identity.architecture?.machine ?? ""
        hosts = PageText.count(gap.kernel.hosts)
        lacks = gap.lacks.map { $0 == .headers ? .poor("headers") : .fair("BTF") }
        loss = gap.loss
        let deleted = gap.kernel.purge.map { mark in
            CoverageView.Reason(
                found: "Deleted by an operator" + (mark.reason.map { ": \($0)" } ?? ""), hosts: UTCTime.text(mark.time))
        }
        let refused = gap.refusal.map {
            CoverageView.Reason(found: "What a host uploaded was turned down: \($0)", hosts: "in the last hour")
        }
        reasons =
            [deleted, refused].compactMap(\.self)
            + gap.reports.map { report in
                CoverageView.Reason(found: PageText.steps(report.steps), hosts: PageText.count(report.hosts, "host"))
            }
    }
}

extension CoverageView.Ambiguity {
    init(_ ambiguous: Coverage.AmbiguousRelease) {
        release = ambiguous.release
        kernels = ambiguous.builds.map { build in
            Kernel(
                path: PagePath.kernel(build.buildID), shortID: PageText.short("\(build.buildID)"),
                version: build.versionLine ?? "", hosts: PageText.count(build.hosts, "host"),
                headers: build.hasHeaders ? .good("headers here") : .poor("headers missing"))
        }
    }
}

extension CoverageView.Split {
    init(_ conflict: KernelConflict, now: Int) {
        path = PagePath.kernel(conflict.buildID)
        release = conflict.release ?? "no release"
        shortID = PageText.short("\(conflict.buildID)")
        sides = conflict.sides.map { side in
            let shown = side.hostIDs.prefix(Self.shownHosts)
            return Side(
                tree: PageText.side(side), sentence: PageText.sentence(side, now: now), hosts: shown.map { "\($0)" },
                rest: PageText.more(side.hosts, shown: shown.count, "host"))
        }
    }

    /// Of a side; the kernel's page has more.
    private static let shownHosts = 5
}
