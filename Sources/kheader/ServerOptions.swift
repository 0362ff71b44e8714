internal import ArgumentParser
internal import Glibc
internal import HeaderTransport

/// Which servers to ask.
struct ServerOptions: ParsableArguments {
    @Option(
        name: .customLong("server"),
        help: ArgumentHelp(
            "A server: http://host:port, https://host, or unix:/path/to/socket. May be given several times.",
            discussion: "Without it, \(ServerAddress.variable) counts; without that, \(ServerAddress.standard).",
            valueName: "url"))
    var urls: [String] = []

    func validate() throws {
        do {
            _ = try addresses()
            _ = try timeouts()
        } catch { throw ValidationError("\(error)") }
    }

    /// A client that says on standard error why it asks again.
    func client() throws -> HeaderServerClient {
        HeaderServerClient(servers: try addresses(), program: "kheader", timeouts: try timeouts()) {
            Console.say("kheader: \($0)")
        }
    }

    private func timeouts() throws -> TransferTimeouts {
        try TransferTimeouts(variable: getenv(TransferTimeouts.variable).map { String(cString: $0) })
    }

    func addresses() throws -> [ServerAddress] {
        try ServerAddress.list(
            options: urls, variable: getenv(ServerAddress.variable).map { String(cString: $0) })
    }
}
