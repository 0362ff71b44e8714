internal import ArgumentParser
internal import HeaderTransport
internal import KernelHeaders
internal import TracingClient

struct KernelsPinCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pin", abstract: "Pin a kernel: it is neither deleted nor removed for its age.",
        discussion: """
            A kernel that is pinned gets the new reason. It takes a token of role 'operator', on a server that wants tokens.
            """)

    @OptionGroup var kernel: KnownKernelArgument

    @Option(help: ArgumentHelp("Why, for others to read.", valueName: "text"))
    var reason: String?

    @OptionGroup var servers: ServerOptions

    func run() async throws {
        _ = try await servers.client().pin(kernel.buildID, reason: reason)
        Console.say("kheader: \(kernel.buildID) is pinned.")
    }
}
