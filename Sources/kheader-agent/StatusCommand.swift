internal import ArgumentParser
internal import HeaderTransport
internal import HostAgent
internal import KernelHeaders

struct StatusCommand: AsyncParsableCommand, HostCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "Say whether this boot waits to be reported.",
        discussion:
            "Asks nobody. Exit code 1 says that a check-in of this boot has failed, and none has come through since.")

    @Flag(help: "Print JSON.")
    var json = false

    @OptionGroup var servers: ServerOptions
    @OptionGroup var options: AgentOptions
    var module = PreparedModule()

    private struct Status: Codable {
        var kernel: KernelIdentity
        var host: HostID
        var bootID: String
        /// Nil if it can't be told: there is no spool.
        var waitsToBeReported: Bool?
    }

    func run() async throws {
        let settings = try options.settings(servers.settings)
        let agent = try usable { try Agent(settings, servers: servers.urls, module: module.access) }
        let host = try agent.host()
        let status = Status(
            kernel: host.kernel, host: host.identity.host, bootID: host.identity.bootID,
            waitsToBeReported: agent.spool.isUsable ? agent.spool.holds(host.identity.bootID) : nil)
        if json {
            try Console.put(JSONText.text(status, isPretty: true))
        } else {
            let text =
                switch status.waitsToBeReported {
                case true?: "waits to be reported"
                case false?: "no check-in has failed"
                case nil: "whether a check-in has failed can't be told, as \(agent.spool.folder) can't be used"
                }
            try Console.put(
                """
                kernel  \(status.kernel.release ?? "of unknown release")
                build   \(status.kernel.buildID)
                host    \(status.host)
                boot    \(status.bootID): \(text)
                """)
        }
        if status.waitsToBeReported == true {
            throw Shortfall(.failed, "The last check-in of this boot has failed. Try it: kheader-agent run")
        }
    }
}
