internal import ArgumentParser
internal import HeaderTransport
internal import KernelHeaders
internal import OperatorDocuments
internal import TracingClient

struct StoreRepackCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "repack",
        abstract: "Have the server compress as tightly as pays what came in fast.",
        discussion: """
            An upload of a whole new tree is compressed fast, and the server makes it smaller by itself some minutes later \
            (its settings repack.on and repack.seconds). This has it do so now. Uploads and requests go first. It takes an \
            operator's token.

              kheader store repack --wait         is there until it is done; if it is interrupted, the server goes on
              kheader store status                how it stands
            """)

    @Flag(help: "Wait for the end.")
    var wait = false

    @Option(help: "How: table, or json.")
    var format = ListFormat.table

    @OptionGroup var servers: ServerOptions

    func run() async throws {
        let client = try servers.client()
        let result = try await ProgressBar.show("Repacking") { bar in
            let first = try await client.startRepack()
            guard wait else { return first }
            return try await Upkeep.end(first, ask: { try await client.repacking() }) { progress in
                bar.update(progress.bytes, of: progress.allBytes)
                return progress.state == .idle || progress.run != first.run
            }
        }
        switch format {
        case .table: try Console.put(Self.line(result))
        case .json: try Console.put(JSONText.text(result, isPretty: true))
        }
        if let failure = result.failure { throw UpkeepFailed(what: "The repack", failure: failure) }
    }

    static func line(_ repack: StoreRepacking) -> String {
        let freed = "\(ByteSize.text(repack.freedBytes)) less in \(repack.packsRewritten) of \(repack.packs) packs"
        if repack.state == .running, repack.bytes == 0 {
            let all = repack.allBytes == 0 ? "" : ", \(ByteSize.text(repack.allBytes)) to do"
            return "repack: begun\(all); kheader store status tells how it stands"
        }
        if repack.state == .running {
            return "repack: \(ByteSize.text(repack.bytes)) of \(ByteSize.text(repack.allBytes)) done, \(freed)"
        }
        if let failure = repack.failure { return "repack: ended early, \(failure)" }
        return repack.ended.map { "repack: ended \(UTCTime.text($0)), \(freed)" } ?? "repack: not done yet"
    }
}
