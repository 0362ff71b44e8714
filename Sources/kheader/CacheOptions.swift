internal import ArgumentParser
internal import HeaderTransport
internal import TracingClient

/// Where trees are kept on this host.
struct CacheOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "The folder that trees are kept in.",
            discussion: """
                Without it, \(CacheFolder.variable) counts; without that it is /run/kheader for root, else kheader in \
                $XDG_RUNTIME_DIR, in $XDG_CACHE_HOME, or in ~/.cache.
                """,
            valueName: "dir"))
    var cache: String?

    /// - Throws: `CacheError`.
    func open() throws -> HeaderCache {
        HeaderCache(try CacheFolder(CacheFolder.place(option: cache))) { Console.say("kheader: \($0)") }
    }
}
