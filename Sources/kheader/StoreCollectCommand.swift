internal import ArgumentParser
internal import HeaderTransport
internal import KernelHeaders
internal import OperatorDocuments
internal import TracingClient

struct StoreCollectCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "collect",
        abstract: "Have the server remove what no kernel needs any more.",
        discussion: """
            Trees of deleted kernels, files that are in no tree, downloads of such trees, and what a verify put into \
            quarantine. Packs that are mostly dead are written anew; requests are served meanwhile. It takes an operator's \
            token.

              kheader store collect --dry-run     only shows what would go
            """)

    @Flag(help: "Change nothing, only show what would go.")
    var dryRun = false

    @Option(help: "How: table, or json.")
    var format = ListFormat.table

    @OptionGroup var servers: ServerOptions

    func run() async throws {
        let client = try servers.client()
        let result = try await ProgressBar.show("Collecting") { _ in
            let first = try await client.startCollect(isDryRun: dryRun)
            return try await Upkeep.end(first, ask: { try await client.collection() }) {
                $0.state == .idle || $0.run != first.run
            }
        }
        switch format {
        case .table: try Console.put(Self.table(result))
        case .json: try Console.put(JSONText.text(result, isPretty: true))
        }
        if let failure = result.failure { throw UpkeepFailed(what: "The collect", failure: failure) }
    }

    static func table(_ result: StoreCollection) -> String {
        var table = TextTable([
            .init(result.isDryRun ? "WOULD GO" : "GONE"), .init("COUNT", .right), .init("SIZE", .right),
        ])
        table.add(["trees", "\(result.trees)", ""])
        table.add(["contents", "\(result.blobs)", ByteSize.text(result.blobBytes)])
        table.add(["packs removed", "\(result.packsRemoved)", ""])
        table.add(["packs written anew", "\(result.packsRewritten)", ""])
        table.add(["bundles and PCHs", "\(result.derived)", ""])
        table.add(["files nobody knows", "\(result.strays)", ""])
        table.add(["on disk", "", ByteSize.text(max(0, result.freedBytes))])
        return table.text
    }
}
