internal import ArgumentParser
internal import HeaderTransport
internal import KernelHeaders
internal import OperatorDocuments
internal import TracingClient

struct KernelsDeleteCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "delete", abstract: "Delete kernels from the server: their headers, BTF and conflicts.",
        discussion: """
            The server remembers that it had them, with the reason, and asks the next host that runs one to upload it again. A \
            pinned kernel is refused. Those after one that fails are not deleted, and named. It takes a token of role \
            'operator', on a server that wants tokens.
            """)

    @Argument(
        help: ArgumentHelp("The kernels' build IDs, as 'kheader kernels list' shows them.", valueName: "build-id"),
        transform: BuildIDArgument.parse)
    var buildIDs: [BuildID]

    @Option(help: ArgumentHelp("Why, for others to read.", valueName: "text"))
    var reason: String?

    @OptionGroup var servers: ServerOptions

    func run() async throws {
        let client = try servers.client()
        for (number, id) in buildIDs.enumerated() {
            do {
                // Only to be told: what a kernel that is unknown is answered comes with the deletion.
                let hosts = (try? await client.detail(of: id).entry.hosts) ?? 0
                try await client.purge(id, reason: reason)
                let next =
                    hosts == 0 ? "" : " Hosts run it: \(hosts). The next that reports it is asked to upload it again."
                Console.say("kheader: \(id) is deleted.\(next)")
            } catch {
                for rest in buildIDs[(number + 1)...] { Console.say("kheader: \(rest) is not deleted.") }
                throw error
            }
        }
    }
}
