internal import ArgumentParser
internal import KernelHeaders
internal import TracingClient

/// Which of the cache's entries.
struct CacheEntriesOptions: ParsableArguments {
    @Option(
        name: .customLong("build-id"),
        help: ArgumentHelp("Only what is kept of this kernel.", valueName: "id"), transform: BuildIDArgument.parse)
    var buildID: BuildID?

    @OptionGroup var cache: CacheOptions

    /// The entries, least recently used first.
    func list(_ cache: HeaderCache) throws -> [HeaderCache.Listing] {
        try cache.list().filter { buildID == nil || $0.buildID == buildID }
    }
}
