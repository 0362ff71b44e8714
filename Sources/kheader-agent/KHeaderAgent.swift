internal import ArgumentParser
internal import Glibc
internal import HeaderTransport
internal import HostAgent
internal import KernelHeaders

/// The guest on every host of a fleet.
@main struct KHeaderAgent: ParsableCommand {
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

    static func main() {
        // Of the libraries that come with libcurl. It starts itself when it is loaded, for protocols that are not spoken here,
        // unless it is told not to; a libcurl that speaks TLS by it starts it.
        setenv("GNUTLS_NO_IMPLICIT_INIT", "1", 1)
        if let arguments = RunArguments(plain: CommandLine.arguments.dropFirst()) {
            end(Result { try usable { try AgentRun(arguments) }.run() })
        }
        // Before anything that starts a thread.
        let command = Result {
            let command = try parseAsRoot()
            guard var host = command as? any HostCommand else { return command }
            try host.prepare()
            return host
        }
        guard case .success(let parsed) = command, let host = parsed as? any HostCommand else {
            end(
                Result {
                    var command = try command.get()
                    try command.run()
                })
        }
        let work = Work(command: host)
        Task.detached { await CommandProcess.run(name, explain: explain) { try await work.run() } }
        // Ended by that.
        while true { pause() }
    }

    private static let name = "kheader-agent"

    @Sendable private static func explain(_ error: any Error) -> (text: String, code: Int32) {
        (fullMessage(for: error), exitCode(for: error).rawValue)
    }

    private static func end(_ result: Result<Void, any Error>) -> Never {
        CommandProcess.end(name, result, explain: explain)
    }
}

/// Handed on once, and then left alone.
private struct Work: @unchecked Sendable {
    let command: any HostCommand

    func run() async throws {
        var command = command
        try await command.run()
    }
}
