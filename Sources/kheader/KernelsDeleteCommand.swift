internal import ArgumentParser
internal import HeaderTransport
internal import KernelHeaders
internal import TracingClient

struct KernelsDeleteCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "delete", abstract: "Delete kernels from the server: their headers, BTF and conflicts.",
        discussion: """
            The server remembers that it had them, with the reason, and asks the next host that runs one to upload it again. A \
            pinned kernel is refused. Those after one that fails are not deleted.
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
        for id in buildIDs {
            try await client.purge(id, reason: reason)
            Console.say("kheader: \(id) is deleted.")
        }
    }
}
