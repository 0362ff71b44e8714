public import ArgumentParser
internal import Glibc
internal import KernelHeaders
internal import OperatorDocuments

/// Which of the server's kernels, and in which order.
struct KernelFilterOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Only kernels of this release, as 'uname -r' prints it.", valueName: "release"))
    var release: String?

    @Option(
        help: ArgumentHelp("Only kernels whose release matches, as '6.1.*-cloud-*'; quote it.", valueName: "pattern"))
    var glob: String?

    @Option(help: ArgumentHelp("Only kernels of this architecture, as 'uname -m' prints it.", valueName: "machine"))
    var architecture: String?

    @Option(help: ArgumentHelp("Only kernels of this distribution: debian, ubuntu, …", valueName: "name"))
    var distribution: String?

    @Flag(
        inversion: .prefixedNo, exclusivity: .exclusive,
        help: "Only kernels that the server has the headers of, or lacks them.")
    var headers: Bool?

    @Flag(
        inversion: .prefixedNo, exclusivity: .exclusive,
        help: "Only kernels that the server has the BTF of, or lacks it.")
    var btf: Bool?

    @Flag(
        inversion: .prefixedNo, exclusivity: .exclusive, help: "Only kernels that the server has a PCH of, or has none."
    )
    var pch: Bool?

    @Option(help: "Only kernels whose headers come from there: agent, agreed, push, or import.")
    var source: HeaderSource?

    @Flag(
        inversion: .prefixedNo, exclusivity: .exclusive,
        help: "Only kernels that hosts, or uploads, disagree on; or that none does.")
    var conflicts: Bool?

    @Flag(
        inversion: .prefixedNo, exclusivity: .exclusive,
        help:
            "Only kernels of which damage of the server's disk took something, until it is uploaded again; or the others."
    )
    var damaged: Bool?

    @Flag(inversion: .prefixedNo, exclusivity: .exclusive, help: "Only kernels that are pinned, or are not.")
    var pinned: Bool?

    @Flag(inversion: .prefixedNo, exclusivity: .exclusive, help: "Only kernels that a host runs, or none.")
    var running: Bool?

    @Flag(
        inversion: .prefixedNo, exclusivity: .exclusive,
        help: "Only kernels that were deleted and did not come back, or were not.")
    var purged: Bool?

    @Option(
        name: .customLong("seen-within"),
        help: ArgumentHelp("Only kernels that were reported so lately: 30m, 12h, 7d, 2w.", valueName: "time"),
        transform: Self.seconds)
    var seenWithin: Int?

    @Option(help: "In the order of: release, lastSeen, firstSeen, or hosts.")
    var sort = KernelQuery.Sort.release

    @Flag(help: "In the other order: releases from the last, times from the oldest, the fewest hosts first.")
    var reverse = false

    @Option(help: ArgumentHelp("At most so many kernels.", valueName: "number"))
    var limit: Int?

    func validate() throws {
        guard limit.map({ $0 > 0 }) ?? true else { throw ValidationError("--limit is a number from 1 on.") }
        // A script's variable that is not set must not mean all kernels.
        let texts = [
            ("release", release), ("glob", glob), ("architecture", architecture), ("distribution", distribution),
        ]
        for (name, text) in texts where text?.isEmpty == true { throw ValidationError("--\(name) is empty.") }
    }

    var query: KernelQuery {
        var query = KernelQuery(sort: sort, limit: min(limit ?? .max, KernelQuery.maximumLimit))
        query.release = release
        query.releaseGlob = glob
        query.architecture = architecture
        query.distribution = distribution
        query.hasHeaders = headers
        query.hasBTF = btf
        query.hasPCH = pch
        query.source = source
        query.hasConflicts = conflicts
        query.isDamaged = damaged
        query.isPinned = pinned
        query.isRunning = running
        query.isPurged = purged
        query.seenSince = seenWithin.map { max(0, time(nil) - $0) }
        if reverse { query.isDescending = !sort.isDescending }
        return query
    }

    /// Whether all kernels pass, or all of one release.
    var isOnlyRelease: Bool {
        var all = KernelQuery(sort: sort, limit: query.limit)
        (all.release, all.isDescending) = (release, query.isDescending)
        return query == all
    }

    private static func seconds(_ text: String) throws -> Int {
        let units = ["s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400]
        guard let unit = text.last.flatMap({ units[String($0)] }), let number = Int(text.dropLast()), number > 0,
            case let (seconds, false) = number.multipliedReportingOverflow(by: unit)
        else { throw ValidationError("'\(text)' is no time: write a number and s, m, h, d or w, as 12h.") }
        return seconds
    }
}

extension KernelQuery.Sort: ExpressibleByArgument {}
