internal import ArgumentParser
internal import Glibc
internal import HeaderTransport
internal import KernelHeaders

/// Which servers to ask.
struct ServerOptions: ParsableArguments {
    @Option(
        name: .customLong("server"),
        help: ArgumentHelp(
            "A server: http://host:port, https://host, or unix:/path/to/socket. May be given several times.",
            discussion: "Without it, \(ServerAddress.variable) counts; without that, \(ServerAddress.standard).",
            valueName: "url"))
    var urls: [String] = []

    @Option(
        name: .customLong("token-file"),
        help: ArgumentHelp(
            "A file with the token that the servers want to see.",
            discussion:
                "Without it, \(AccessToken.fileVariable) names the file; without that, \(AccessToken.variable) is the token.",
            valueName: "file"))
    var tokenFile: String?

    func validate() throws {
        // The variables are looked at when servers are asked: to look at a URL takes libcurl, which takes longer to load
        // than to find headers in the cache.
        guard !urls.isEmpty else { return }
        // Without libcurl nobody can say whether they make sense, and headers of this host's own need none.
        do { _ = try addresses() } catch let problem as Problem { throw ValidationError("\(problem)") } catch {}
    }

    /// A client that says on standard error why it asks again.
    func client() throws -> HeaderServerClient {
        let timeouts = try usable { try TransferTimeouts(variable: Self.environment(TransferTimeouts.variable)) }
        let token = try token()
        return HeaderServerClient(
            servers: try usable(addresses), program: "kheader", token: token, timeouts: timeouts
        ) {
            Console.say("kheader: \($0)")
        }
    }

    /// The token that servers are shown, if there is one.
    func token() throws -> AccessToken? {
        try usable { try AccessToken.find(file: tokenFile) { Console.say("kheader: \($0)") } }
    }

    func addresses() throws -> [ServerAddress] {
        try ServerAddress.list(options: urls, variable: Self.environment(ServerAddress.variable))
    }

    /// What a variable says wrongly is a mistake of the user's, as an option is.
    private func usable<Value>(_ read: () throws -> Value) throws -> Value {
        do { return try read() } catch let problem as Problem { throw ValidationError("\(problem)") }
    }

    private static func environment(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }
}
