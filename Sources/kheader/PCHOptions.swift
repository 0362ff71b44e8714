internal import ArgumentParser
internal import HeaderTransport
internal import KernelHeaders
internal import PrecompiledHeaders
internal import TracingClient

/// Which PCH, and how long for.
struct PCHOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Which headers are precompiled together: sched, fs, block, sock, net, all, or what the server has.",
            valueName: "name"))
    var umbrella: String?

    @Flag(
        name: .customLong("accept-builders"),
        help: "Take a PCH, too, that a host has made and posted, where the server lacks the clang for it.")
    var acceptsBuilders = false

    @Option(
        name: .customLong("pch-wait"),
        help: ArgumentHelp("How long to wait for a PCH that the server has to make first.", valueName: "seconds"))
    var wait: Int?

    /// Whether any is given.
    var isEmpty: Bool { umbrella == nil && !acceptsBuilders && wait == nil }

    func validate() throws {
        guard umbrella.map({ Umbrella.isName($0) }) ?? true else {
            throw ValidationError(
                "--umbrella is a name of small letters, digits and hyphens; 'kheader pch list' has them.")
        }
        guard wait.map({ (0...86400).contains($0) }) ?? true else {
            throw ValidationError("--pch-wait is a number of seconds from 0 to 86400.")
        }
    }

    /// Brings the PCH into the cache, unless it is there and good.
    ///
    /// - Parameter standardWait: how long, in seconds, if no option says so.
    func pch(
        of id: BuildID, for tool: PCHTool, _ wish: PCHFinder.Wish, in cache: HeaderCache, _ servers: ServerOptions,
        standardWait: Int
    ) async throws -> CachedPCH {
        try await ProgressBar.show("PCH of \("\(id)".prefix(12))") { bar in
            let finder = PCHFinder(
                cache: cache, client: servers.client, acceptsBuilders: acceptsBuilders,
                patience: .seconds(wait ?? standardWait), progress: { bar.update($0, of: $1) },
                waiting: { bar.update("The server's PCH: \(PCHFinder.text($0))") })
            return try await finder.pch(of: id, for: tool, wish)
        }
    }
}
