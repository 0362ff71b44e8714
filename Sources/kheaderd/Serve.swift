import ArgumentParser
import FoundationEssentials
import HeaderServer
import HeaderStore
import Logging

struct Serve: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Serve a store over HTTP.",
        discussion: """
            Prints one line to stdout, "listening on URL", when it takes connections; the log goes to stderr. SIGTERM and \
            SIGINT end it after the requests under way.

            What is not given here is taken from the environment (KHEADERD_STATE, KHEADERD_LISTEN, KHEADERD_LOG_LEVEL, \
            KHEADERD_LIMITS_ENTRIES and so on), then from the file.

            Who may ask is said by tokens ('kheaderd token create'). As long as there is none, a server on loopback or a \
            unix socket is open to everyone on this host, and one on any other address does not start. From the first \
            one on they are demanded everywhere: a server on loopback may have a proxy in front of it.
            """)

    @Option(help: ArgumentHelp("The store's folder; made if it is not there.", valueName: "DIR"))
    var state: String?

    @Option(
        help: ArgumentHelp(
            "Where to listen: HOST:PORT, [IPV6]:PORT or unix:PATH; port 0 takes a free one. (default: 127.0.0.1:8003)",
            valueName: "ADDRESS"))
    var listen: String?

    @Flag(help: "Let everyone read without a token. To write takes one nevertheless.")
    var anonymousReads = false

    @Option(help: ArgumentHelp("A JSON file with settings; see the README.", valueName: "FILE"))
    var config: String?

    func run() async throws {
        let settings = try await ServerSettings(
            arguments: (listen, state, anonymousReads ? true : nil), environment: ProcessInfo.processInfo.environment,
            file: config)
        let logger = Logger.toStandardError(level: settings.logLevel, format: settings.logFormat)
        for name in settings.unknownVariables { logger.warning("no setting", metadata: ["variable": "\(name)"]) }
        if settings.store.retention.isOn {
            let rules = settings.store.retention
            logger.notice(
                "kernels that no host reports are deleted",
                metadata: [
                    "days": "\(rules.days)", "newest": "\(rules.newest)",
                    "bytes": "\(rules.bytes.map { "\($0)" } ?? "any")",
                ])
        }
        let access = try AccessControl(
            tokens: TokenRegistry(TokenFile(state: settings.state)), address: settings.listen,
            anonymousReads: settings.anonymousReads, state: settings.state, logger: logger)
        let store = try HeaderStore(folder: settings.state, options: settings.store, logger: logger)
        let result = await Result.catching {
            try await SpanCollector.with(settings.traces, logger: logger) {
                try await HeaderServer.run(
                    store: store, access: access, address: settings.listen, uploads: settings.uploads,
                    pch: settings.pch, serving: settings.serving, logger: logger, endsOnSignals: true
                ) { address in
                    // A pipe must see it at once: this is what scripts wait for.
                    StandardOutput.write("listening on \(address)\n")
                }
            }
        }
        try store.close()
        try result.get()
    }
}

extension Result where Failure == any Error {
    static func catching(_ body: () async throws -> Success) async -> Self {
        do { return .success(try await body()) } catch { return .failure(error) }
    }
}
