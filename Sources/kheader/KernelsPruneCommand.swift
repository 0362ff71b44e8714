internal import ArgumentParser
internal import HeaderTransport
internal import KernelHeaders
internal import OperatorDocuments
internal import TracingClient

struct KernelsPruneCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "prune", abstract: "Delete the kernels that no host has reported for long.",
        discussion: """
            A kernel is kept as long as a host reports it, and the server's retention.days after that; pinned kernels and the \
            newest ones are kept in any case. With a budget of bytes, those go, too, that were not reported for the longest \
            time, and not for a week. Each is remembered with the reason, as with 'kheader kernels delete'. SIZE is what \
            nothing else is known to need; the disk has it back when the store is collected.

            It takes a token of role 'operator', on a server that wants tokens.

            See first what would go: kheader kernels prune --dry-run
            """)

    @Flag(help: "Only list what would go, and why.")
    var dryRun = false

    @Option(
        help: ArgumentHelp(
            "Keep kernels so long that no host reports. Default: the server's setting.", valueName: "days"))
    var days: Int?

    @Option(
        help: ArgumentHelp(
            "Keep so many of the newest in any case. Default: the server's setting.", valueName: "number"))
    var newest: Int?

    @Option(
        help: ArgumentHelp(
            "What packs and BTF may take: bytes, or 500M, 20G. Default: the server's setting.", valueName: "bytes"),
        transform: Self.size)
    var bytes: Int?

    @Option(help: "How: table, or json.")
    var format = ListFormat.table

    @OptionGroup var servers: ServerOptions

    func validate() throws {
        guard days.map({ $0 > 0 }) ?? true else { throw ValidationError("--days is a number from 1 on.") }
        guard newest.map({ $0 >= 0 }) ?? true else { throw ValidationError("--newest is a number from 0 on.") }
    }

    /// As sizes are shown, in powers of ten.
    private static func size(_ text: String) throws -> Int {
        let units: [Character: Int] = ["k": 1000, "M": 1_000_000, "G": 1_000_000_000, "T": 1_000_000_000_000]
        let unit = text.last.flatMap { units[$0] }
        guard let number = Int(unit == nil ? text : String(text.dropLast())), number > 0,
            case let (bytes, false) = number.multipliedReportingOverflow(by: unit ?? 1)
        else { throw ValidationError("'\(text)' is no size: write bytes, or a number and k, M, G or T.") }
        return bytes
    }

    func run() async throws {
        let report = try await servers.client().prune(isDryRun: dryRun, days: days, newest: newest, bytes: bytes)
        switch format {
        case .table: try Console.put(Self.table(report))
        case .json: try Console.put(JSONText.text(report, isPretty: true))
        }
        let count = "\(report.removals.count) \(report.removals.count == 1 ? "kernel" : "kernels")"
        Console.say("kheader: \(count) \(report.isDryRun ? "would be deleted." : "deleted.")")
    }

    static func table(_ report: PruneReport) -> String {
        var table = TextTable([
            .release, .init("BUILD ID"), .init("LAST SEEN"), .init("SIZE", .right), .init("WHY"),
        ])
        for removal in report.removals {
            table.add([
                removal.release ?? "", "\(removal.buildID)", UTCTime.text(removal.lastSeen),
                ByteSize.text(removal.bytes),
                removal.reason,
            ])
        }
        return table.text
    }
}
