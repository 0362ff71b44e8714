internal import ArgumentParser
internal import HeaderTransport
internal import HostAgent
internal import KernelHeaders

/// What ``RunArguments`` can't read by itself, and all that there is to say about it.
struct RunCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run",
        abstract: "Report this host's kernel, and upload its headers and BTF if the server wants them.",
        discussion: """
            Asks first: a server that has them costs this host one small request. Once, or with --every again and again.

            Exit code 3 says that the kernel was reported, and that this host has no headers which it could give, or none \
            that are proven to be the running kernel's; 4 that the server has others, or does not take them.
            """)

    @Option(help: ArgumentHelp("Stay, and check in again after this time, more or less: 6h.", valueName: "time"))
    var every: String?

    @Flag(help: "Do nothing if no check-in of this boot has failed: for a timer that mends those which did.")
    var unreported = false

    @Flag(help: "Print what came of it as JSON, one line for each check-in.")
    var json = false

    @OptionGroup var servers: ServerOptions
    @OptionGroup var options: AgentOptions

    func run() throws {
        var arguments = RunArguments()
        arguments.servers = servers.urls
        arguments.settings = options.named(servers.settings.merging([.every: every]) { $1 })
        arguments.config = options.config
        arguments.isOnlyIfUnreported = unreported
        arguments.printsJSON = json
        try usable { try AgentRun(arguments) }.run()
    }
}
