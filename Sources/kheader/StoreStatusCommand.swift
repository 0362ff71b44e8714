internal import ArgumentParser
internal import HeaderTransport
internal import KernelHeaders

struct StoreStatusCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status", abstract: "Show how many kernels, files and bytes the server keeps.")

    @Option(help: "How: table, or json.")
    var format = ListFormat.table

    @OptionGroup var servers: ServerOptions

    func run() async throws {
        let status = try await servers.client().store()
        switch format {
        case .table: try Console.put(Self.table(status))
        case .json: try Console.put(JSONText.text(status, isPretty: true))
        }
    }

    static func table(_ status: StoreStatus) -> String {
        var table = TextTable([.init("WHAT"), .init("COUNT", .right), .init("SIZE", .right)])
        table.add(["kernels", "\(status.kernels)", ""])
        table.add(["trees", "\(status.trees)", ""])
        table.add(["conflicts", "\(status.conflicts)", ""])
        table.add(["files of all kernels", "\(status.files)", ByteSize.text(status.rawBytes)])
        table.add(["distinct contents", "\(status.blobs)", ByteSize.text(status.blobBytes)])
        table.add(["packs on disk", "\(status.packs)", ByteSize.text(status.packBytes)])
        table.add(["catalogue on disk", "", ByteSize.text(status.catalogueBytes)])
        table.add(["bundles on disk", "", ByteSize.text(status.bundleBytes)])
        return table.text
    }
}
