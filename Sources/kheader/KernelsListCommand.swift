internal import ArgumentParser
internal import HeaderTransport
internal import KernelHeaders
internal import OperatorDocuments
internal import TracingClient

/// The forms of what is shown to people or to programs.
enum ListFormat: String, ExpressibleByArgument, CaseIterable {
    case table, json
}

struct KernelsListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "List the kernels that the server knows: those that hosts run, and those that it has something of.",
        discussion: """
            SOURCE says where the headers come from: import, push, agreed (hosts have the same), agent (one host's word); '-' \
            if there are none. HOSTS are those whose last report was of the kernel. Sizes are those of the headers unpacked; \
            times are UTC. SMOKE says whether the server's clang could compile a small program with the headers. --format json \
            prints an array, with all that is known.

            What hosts run and the server lacks: kheader kernels list --running --no-headers --sort hosts
            """)

    @Option(help: "How: table, or json.")
    var format = ListFormat.table

    @Option(
        name: .customLong("build-id"), help: ArgumentHelp("Only this kernel.", valueName: "id"),
        transform: BuildIDArgument.parse)
    var buildID: BuildID?

    @OptionGroup(title: "Filters and order") var filters: KernelFilterOptions

    @OptionGroup var servers: ServerOptions

    func run() async throws {
        let client = try servers.client()
        let kernels =
            if let buildID {
                [try await client.detail(of: buildID).entry]
                    .filter { filters.release == nil || $0.identity.release == filters.release }
            } else {
                try await client.allKernels(filters.query, atMost: filters.limit)
            }
        switch format {
        case .table: try Console.put(Self.table(kernels))
        case .json: try Console.put(JSONText.text(kernels, isPretty: true))
        }
    }

    static func table(_ kernels: [KernelEntry]) -> String {
        var table = TextTable([
            .init("RELEASE"), .init("BUILD ID"), .init("ARCH"), .init("SOURCE"), .init("BTF"), .init("PCH"),
            .init("HOSTS", .right), .init("FILES", .right), .init("SIZE", .right), .init("FIRST SEEN"),
            .init("LAST SEEN"), .init("CONFLICTS", .right), .init("SMOKE"), .init("PINNED"),
        ])
        for kernel in kernels {
            table.add([
                kernel.identity.release ?? "", "\(kernel.identity.buildID)",
                kernel.identity.architecture?.machine ?? "", kernel.headers?.source.rawValue ?? "",
                kernel.btfBytes == nil ? "" : "yes", kernel.hasPCH ? "yes" : "", "\(kernel.hosts)",
                kernel.headers.map { "\($0.files)" } ?? "", kernel.headers.map { ByteSize.text($0.bytes) } ?? "",
                UTCTime.text(kernel.firstSeen), UTCTime.text(kernel.lastSeen), "\(kernel.conflicts)",
                kernel.smoke?.state.rawValue ?? "", kernel.pin == nil ? "" : "yes",
            ])
        }
        return table.text
    }
}
