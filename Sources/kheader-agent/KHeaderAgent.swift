internal import ArgumentParser
internal import HeaderTransport
internal import KernelHeaders

/// The guest on every host of a fleet.
@main struct KHeaderAgent: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "kheader-agent",
        abstract: "Gives this host's kernel headers to a kheaderd server, if the server lacks them.",
        discussion: """
            Servers are those of --server, or of the variable KHEADER_URLS (separated by spaces), or \
            \(ServerAddress.standard). The first one that can answer does.

            \(ExitStatus.explanation)
            """,
        version: ReleaseVersion.current,
        subcommands: [RunCommand.self, CollectCommand.self, StatusCommand.self, DoctorCommand.self],
        defaultSubcommand: RunCommand.self)

    static func main() async {
        // Before anything that starts a thread.
        let parsed = Result {
            var command = try parseAsRoot()
            if var host = command as? any HostCommand {
                try host.prepare()
                command = host
            }
            return Parsed(command: command)
        }
        await CommandProcess.run("kheader-agent", explain: { (fullMessage(for: $0), exitCode(for: $0).rawValue) }) {
            var command = try parsed.get().command
            if var asyncCommand = command as? any AsyncParsableCommand {
                try await asyncCommand.run()
            } else {
                try command.run()
            }
        }
    }
}

/// Handed on once, and then left alone.
private struct Parsed: @unchecked Sendable {
    let command: any ParsableCommand
}
