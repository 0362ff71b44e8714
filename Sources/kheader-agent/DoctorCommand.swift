internal import ArgumentParser
internal import Glibc
internal import HeaderTransport
internal import HostAgent
internal import KernelHeaders
internal import KernelProbe

struct DoctorCommand: AsyncParsableCommand, HostCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor",
        abstract: "Say what a check-in would find on this host, and whether a server would take it.",
        discussion: """
            Shows every place where the running kernel's headers can be, and why it serves or does not; nothing is loaded, \
            uploaded or noted. Exit code 5 says that no server would take a check-in, 3 that this host has no headers to give.
            """)

    @Flag(help: "Print JSON.")
    var json = false

    @OptionGroup var servers: ServerOptions
    @OptionGroup var options: AgentOptions
    var module = PreparedModule()
    static let loadsModules = true

    func run() async throws {
        let settings = try options.settings(servers.settings)
        let agent = try usable { try Agent(settings, servers: servers.urls, module: module.access) }
        let host = try agent.host()
        let client = try usable { try agent.quickClient() }
        async let probes = client.probe()
        let steps = try await host.examine()
        let report = HostReport(
            host: host, steps: steps, btf: Self.btf(settings.root),
            servers: await probes, spool: Self.spool(agent.spool))
        if json {
            try Console.put(JSONText.text(report, isPretty: true))
        } else {
            try Console.put(report.text(width: Console.outputColumns))
        }
        guard report.servers.contains(where: \.isUsable) else {
            throw Shortfall(.unreachable, "No server would take a check-in of this host.")
        }
        guard report.canGiveHeaders else {
            throw Shortfall(
                .notFound, "This host has no headers to give; a check-in says so, and offers what else there is.")
        }
    }

    private static func btf(_ root: String) -> String {
        do {
            return try HostBTF(root: root).map { "\($0.path), \(ByteSize.text($0.bytes))" } ?? "this kernel has none"
        } catch {
            return "\(error)"
        }
    }

    private static func spool(_ spool: Spool) -> String {
        let folder = spool.folder
        switch spool.condition {
        case .ready: return folder
        case .toBeMade: return "\(folder) is not there yet: the first check-in makes it"
        case .unusable(let isThere, let number):
            let what = isThere ? "can't be written" : "is not there, and can't be made"
            // An agent is started by root; whoever asks the doctor may be somebody else.
            let who = number == EACCES ? " by this user" : ""
            return
                "\(folder) \(what)\(who) (\(String(cString: strerror(number)))): a failed check-in\(who) would not be remembered"
        }
    }
}
