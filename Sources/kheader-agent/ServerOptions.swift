internal import ArgumentParser
internal import HeaderTransport
internal import HostAgent

/// Which servers to ask, and how long.
struct ServerOptions: ParsableArguments {
    @Option(
        name: .customLong("server"),
        help: ArgumentHelp(
            "A server: http://host:port, https://host, or unix:/path/to/socket. May be given several times.",
            discussion: "Without it, \(ServerAddress.variable) counts; without that, \(ServerAddress.standard).",
            valueName: "url"))
    var urls: [String] = []

    @Option(
        help: ArgumentHelp(
            "A file with the token that the server demands. Without it, KHEADER_TOKEN_FILE and KHEADER_TOKEN count.",
            valueName: "file"))
    var tokenFile: String?

    @Option(help: ArgumentHelp("How long a check-in may take: 90s, 10m, 1h. (default: 10m)", valueName: "time"))
    var totalTime: String?

    @Option(
        help: ArgumentHelp(
            "The folder for the one file that says that this boot is not yet reported. (default: $STATE_DIRECTORY, or \(Spool.standardFolder))",
            valueName: "dir"))
    var spool: String?

    /// To be put into the settings.
    var settings: [AgentSettings.Name: String?] { [.tokenFile: tokenFile, .totalTime: totalTime, .spool: spool] }
}
