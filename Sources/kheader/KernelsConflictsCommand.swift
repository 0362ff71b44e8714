internal import ArgumentParser
internal import HeaderTransport
internal import KernelHeaders
internal import OperatorDocuments
internal import TracingClient

struct KernelsConflictsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "conflicts",
        abstract: "List build IDs under which hosts, or uploads, have different headers or BTF.",
        discussion: """
            A line for each side; SERVED is the one that the server has. HOSTS are those known to be on that side: a server asks \
            only a few whether they agree. 'kheader kernels hosts BUILD-ID --digest SHA256' names them. --format json prints an \
            array of kernels.
            """)

    @Argument(
        help: ArgumentHelp("Only this kernel's.", valueName: "build-id"), transform: BuildIDArgument.parse)
    var buildID: BuildID?

    @Option(help: "How: table, or json.")
    var format = ListFormat.table

    @OptionGroup var servers: ServerOptions

    func run() async throws {
        let client = try servers.client()
        let conflicts =
            if let buildID {
                [try await client.conflict(of: buildID)].filter { !$0.sides.isEmpty }
            } else {
                try await client.allConflicts()
            }
        switch format {
        case .table: try Console.put(Self.table(conflicts))
        case .json: try Console.put(JSONText.text(conflicts, isPretty: true))
        }
    }

    static func table(_ conflicts: [KernelConflict]) -> String {
        var table = TextTable([
            .release, .init("BUILD ID"), .init("OF"), .init("SERVED"), .init("SOURCE"), .init("HOSTS", .right),
            .init("FIRST SEEN"), .init("LAST SEEN"), .init("DIGEST"),
        ])
        for conflict in conflicts {
            for side in conflict.sides {
                table.add([
                    conflict.release ?? "", "\(conflict.buildID)", side.artefact.rawValue, side.isServed ? "yes" : "no",
                    side.source?.rawValue ?? "", "\(side.hosts)", UTCTime.text(side.firstSeen),
                    UTCTime.text(side.lastSeen),
                    side.digest.map { "\($0)" } ?? side.treeDigest.map { "tree \($0)" } ?? "",
                ])
            }
        }
        return table.text
    }
}
