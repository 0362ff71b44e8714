internal import ArgumentParser
internal import HeaderTransport
internal import KernelHeaders
internal import OperatorDocuments
internal import TracingClient

struct KernelsHostsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "hosts", abstract: "List the hosts whose last report was of a kernel.",
        discussion: """
            Hosts are known by a hash of their machine ID: 'kheader-agent doctor' on a host prints its own. FOUND is what its \
            agent found in each place where headers can be. --format json prints an array, with the agents' sentences.
            """)

    @OptionGroup var kernel: KnownKernelArgument

    @Option(
        help: ArgumentHelp(
            "Instead, the hosts that said that they have these headers, or this BTF: 'kheader kernels conflicts' has the digests.",
            valueName: "sha256"),
        transform: Self.digest)
    var digest: Digest?

    @Option(help: "How: table, or json.")
    var format = ListFormat.table

    @OptionGroup var servers: ServerOptions

    func run() async throws {
        let hosts = try await servers.client().hosts(of: kernel.buildID, digest: digest)
        switch format {
        case .table: try Console.put(Self.table(hosts))
        case .json: try Console.put(JSONText.text(hosts, isPretty: true))
        }
    }

    static func table(_ hosts: [HostEntry]) -> String {
        var table = TextTable([.init("HOST"), .init("AGENT"), .init("FIRST SEEN"), .init("LAST SEEN"), .init("FOUND")])
        for host in hosts {
            table.add([
                "\(host.host)", host.agent, UTCTime.text(host.firstSeen), UTCTime.text(host.lastSeen),
                host.steps.map { "\($0.origin.rawValue) \($0.outcome.rawValue)" }.joined(separator: ", "),
            ])
        }
        return table.text
    }

    private static func digest(_ text: String) throws -> Digest {
        guard let digest = Digest(text.lowercased()) else {
            throw ValidationError("'\(text)' is no SHA-256: write 64 hexadecimal digits.")
        }
        return digest
    }
}
