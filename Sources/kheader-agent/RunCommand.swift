internal import ArgumentParser
internal import Glibc
internal import HeaderTransport
internal import HostAgent
internal import KernelHeaders

struct RunCommand: AsyncParsableCommand, HostCommand {
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
    var module = PreparedModule()
    static let loadsModules = true

    func run() async throws {
        let settings = try options.settings(servers.settings.merging([.every: every]) { $1 })
        let (interval, agent) = try usable {
            (try settings.every(), try Agent(settings, servers: servers.urls, module: module.access))
        }
        guard let interval else {
            if unreported, try !agent.isUnreported() { return }
            let report = try await agent.checkIn()
            try put(report)
            guard report.exitStatus == .done else { throw Shortfall(report.exitStatus, report.summary) }
            return
        }
        var schedule = CheckInSchedule(every: interval)
        var generator = SystemRandomNumberGenerator()
        while true {
            var succeeded = false
            do {
                try put(try await agent.checkIn())
                succeeded = true
            } catch let error where !(error is CancellationError) {
                agent.log(.error, "\(error)")
            }
            let pause = schedule.pause(afterSuccess: succeeded, using: &generator)
            agent.log(.debug, "checking in again in \(pause.components.seconds) s")
            try await Task.sleep(for: pause)
        }
    }

    private func put(_ report: CheckInReport) throws {
        if json { try Console.put(JSONText.text(report, isPretty: false)) }
    }
}
