internal import ArgumentParser
internal import HeaderTransport
internal import KernelHeaders

/// The forms of what is shown to people or to programs.
enum ListFormat: String, ExpressibleByArgument, CaseIterable {
    case table, json
}

struct KernelsListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "List the kernels that the server has headers of, in order of release.",
        discussion: "Sizes are those of the headers unpacked; times are UTC. --format json prints an array.")

    @Option(help: "How: table, or json.")
    var format = ListFormat.table

    @OptionGroup var servers: ServerOptions

    func run() async throws {
        let kernels = try await servers.client().allKernels()
        switch format {
        case .table: try Console.put(Self.table(kernels))
        case .json: try Console.put(JSONText.text(kernels, isPretty: true))
        }
    }

    static func table(_ kernels: [KernelSummary]) -> String {
        var table = TextTable([
            .init("RELEASE"), .init("BUILD ID"), .init("ARCH"), .init("SOURCE"), .init("FILES", .right),
            .init("SIZE", .right), .init("FIRST SEEN"), .init("LAST SEEN"), .init("CONFLICTS", .right),
        ])
        for kernel in kernels {
            table.add([
                kernel.identity.release ?? "", "\(kernel.identity.buildID)",
                kernel.identity.architecture?.machine ?? "",
                kernel.source.rawValue, "\(kernel.files)", ByteSize.text(kernel.bytes), UTCTime.text(kernel.firstSeen),
                UTCTime.text(kernel.lastSeen), "\(kernel.conflicts)",
            ])
        }
        return table.text
    }
}
