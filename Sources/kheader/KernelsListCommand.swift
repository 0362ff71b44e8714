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
        discussion: """
            Sizes are those of the headers unpacked; times are UTC. SMOKE says whether the server's clang could compile a \
            small program with the headers: verified, failed, or untried; of an older server, '-'. --format json prints an \
            array, with the compiler's own words.
            """)

    @Option(help: "How: table, or json.")
    var format = ListFormat.table

    @Option(
        name: .customLong("build-id"), help: ArgumentHelp("Only this kernel.", valueName: "id"),
        transform: BuildIDArgument.parse)
    var buildID: BuildID?

    @Option(help: ArgumentHelp("Only kernels of this release, as 'uname -r' prints it.", valueName: "release"))
    var release: String?

    @OptionGroup var servers: ServerOptions

    func run() async throws {
        let client = try servers.client()
        var query = KernelQuery()
        query.release = release
        let kernels =
            if let buildID {
                [try await client.detail(of: buildID).entry].filter { release == nil || $0.identity.release == release }
            } else {
                try await client.allKernels(query)
            }
        switch format {
        case .table: try Console.put(Self.table(kernels))
        case .json: try Console.put(JSONText.text(kernels, isPretty: true))
        }
    }

    static func table(_ kernels: [KernelEntry]) -> String {
        var table = TextTable([
            .init("RELEASE"), .init("BUILD ID"), .init("ARCH"), .init("SOURCE"), .init("FILES", .right),
            .init("SIZE", .right), .init("FIRST SEEN"), .init("LAST SEEN"), .init("CONFLICTS", .right),
            .init("SMOKE"),
        ])
        for kernel in kernels {
            table.add([
                kernel.identity.release ?? "", "\(kernel.identity.buildID)",
                kernel.identity.architecture?.machine ?? "",
                kernel.headers?.source.rawValue ?? "", kernel.headers.map { "\($0.files)" } ?? "",
                kernel.headers.map { ByteSize.text($0.bytes) } ?? "", UTCTime.text(kernel.firstSeen),
                UTCTime.text(kernel.lastSeen), "\(kernel.conflicts)",
                kernel.smoke?.state.rawValue ?? "-",
            ])
        }
        return table.text
    }
}
