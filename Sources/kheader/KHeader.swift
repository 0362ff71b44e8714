internal import ArgumentParser
internal import HeaderTransport
internal import KernelHeaders

/// The client of tracing tools and operators.
@main struct KHeader: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "kheader",
        abstract: "Kernel headers by build ID, from and to a kheaderd server.",
        discussion: """
            Servers are those of --server, or of the variable KHEADER_URLS (separated by spaces), or \
            \(ServerAddress.standard). The first one that can answer does. KHEADER_TIMEOUT sets after how many seconds of \
            silence a server is given up, KHEADER_CACHE where trees are kept. A server that wants a token is shown that of \
            --token-file, else of the file that \(AccessToken.fileVariable) names, else \(AccessToken.variable).

            \(ExitStatus.explanation)
            """,
        version: ReleaseVersion.current,
        subcommands: [
            ExecCommand.self, EnvCommand.self, FlagsCommand.self, PCHCommand.self, DoctorCommand.self,
            FetchCommand.self, PathCommand.self, CacheCommand.self, PushCommand.self, ImportCommand.self,
            KernelsCommand.self, CoverageCommand.self, StoreCommand.self,
        ])

    static let signals = InheritedSignals()

    // On the main thread, the only one whose signals are as this process inherited them.
    @MainActor static func main() async {
        _ = signals
        await CommandProcess.run("kheader", explain: { (fullMessage(for: $0), exitCode(for: $0).rawValue) }) {
            var command = try parseAsRoot()
            if var asyncCommand = command as? any AsyncParsableCommand {
                try await asyncCommand.run()
            } else {
                try command.run()
            }
        }
    }
}
