internal import ArgumentParser
internal import HeaderTransport
internal import KernelHeaders
internal import OperatorDocuments
internal import TracingClient

struct CoverageCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "coverage",
        abstract: "Show which kernels the fleet runs, what the server lacks of them and why, and what disagrees.",
        discussion: """
            A kernel runs if a host's last report was of it. Under BTF those count, too, that have none. WHY is what most of its \
            hosts' agents found, or that it was deleted, or that damage of the server's disk took it; 'kheader kernels show' has \
            more. --format json prints the server's document. The exit code is 0 whatever is lacking.
            """)

    @Option(help: "How: table, or json.")
    var format = ListFormat.table

    @Option(help: ArgumentHelp("At most so many gaps, releases and conflicts each.", valueName: "number"))
    var limit: Int?

    @OptionGroup var servers: ServerOptions

    func validate() throws {
        guard limit.map({ (1...Coverage.maximumLimit).contains($0) }) ?? true else {
            throw ValidationError("--limit is a number from 1 to \(Coverage.maximumLimit).")
        }
    }

    func run() async throws {
        let coverage = try await servers.client().coverage(limit: limit)
        switch format {
        case .table: try Console.put(Self.text(coverage))
        case .json: try Console.put(JSONText.text(coverage, isPretty: true))
        }
    }

    static func text(_ coverage: Coverage) -> String {
        var counts = TextTable([
            .init("RUNNING"), .init("ALL", .right), .init("HEADERS", .right), .init("BTF", .right),
            .init("PCH", .right),
        ])
        for (name, count) in [("kernels", coverage.kernels), ("hosts", coverage.hosts)] {
            counts.add([name, "\(count.all)", "\(count.headers)", "\(count.btf)", "\(count.pch)"])
        }
        var parts = [counts.text]
        if !coverage.gaps.isEmpty {
            var table = TextTable([
                .init("LACKS"), .init("HOSTS", .right), .release, .init("BUILD ID"), .init("WHY"),
            ])
            for gap in coverage.gaps {
                table.add([
                    gap.lacks.map(\.rawValue).joined(separator: ", "), "\(gap.kernel.hosts)",
                    gap.kernel.identity.release ?? "", "\(gap.kernel.identity.buildID)", why(gap),
                ])
            }
            parts.append(table.text + rest(coverage.gaps.count, coverage.gapCount))
        }
        if !coverage.releases.isEmpty {
            var table = TextTable([
                .init("RELEASE OF SEVERAL BUILDS"), .init("BUILD ID"), .init("HOSTS", .right), .init("HEADERS"),
                .init("VERSION"),
            ])
            for release in coverage.releases {
                for build in release.builds {
                    table.add([
                        release.release, "\(build.buildID)", "\(build.hosts)", build.hasHeaders ? "yes" : "",
                        build.versionLine ?? "",
                    ])
                }
            }
            parts.append(table.text + rest(coverage.releases.count, coverage.releaseCount))
        }
        if !coverage.conflicts.isEmpty {
            parts.append(
                KernelsConflictsCommand.table(coverage.conflicts)
                    + rest(coverage.conflicts.count, coverage.conflictCount))
        }
        return parts.joined(separator: "\n\n")
    }

    private static func why(_ gap: Coverage.Gap) -> String {
        if let loss = gap.loss { return loss }
        if let mark = gap.kernel.purge { return "deleted" + (mark.reason.map { ": \($0)" } ?? "") }
        if let refusal = gap.refusal { return "turned down: \(refusal)" }
        guard gap.lacks.contains(.headers), let report = gap.reports.first else { return "" }
        return report.steps.filter { $0.outcome != .notNeeded }
            .map { "\($0.origin.rawValue) \($0.outcome.rawValue)" }.joined(separator: ", ")
    }

    private static func rest(_ shown: Int, _ all: Int) -> String { shown < all ? "\nand \(all - shown) more" : "" }
}
