public import ArgumentParser
internal import HeaderTransport
internal import KernelHeaders
internal import KernelProbe
internal import TracingClient

extension HeaderFinder.Source: ExpressibleByArgument {}
extension HeaderSource: ExpressibleByArgument {
    // `unknown` is no rank to ask for.
    init?(argument: String) {
        guard let rank = Self.allCases.first(where: { $0.rawValue == argument }) else { return nil }
        self = rank
    }
}

/// Which kernel's headers are wanted on this host, and where they may come from.
struct TreeOptions: ParsableArguments {
    @OptionGroup var kernel: KernelOptions

    @Option(
        name: .customLong("only"),
        help: ArgumentHelp(
            "Take headers from there only; may be given several times.",
            discussion: """
                They are looked for in this order: in the cache, at the servers, and for the kernel that runs here in \
                its own archive (kheaders: /sys/kernel/kheaders.tar.xz) and in /lib/modules/RELEASE (modules).
                """,
            valueName: "source"))
    var only: [HeaderFinder.Source] = []

    @Flag(name: .customLong("no-local"), help: "Take nothing of this host's own: leave out kheaders and modules.")
    var noLocal = false

    @OptionGroup var trust: TrustOptions
    @OptionGroup var cache: CacheOptions
    @OptionGroup var servers: ServerOptions

    func validate() throws {
        guard !sources.isEmpty else { throw ValidationError("--only and --no-local leave no source.") }
    }

    private var sources: Set<HeaderFinder.Source> {
        let named = Set(only.isEmpty ? HeaderFinder.Source.allCases : only)
        return noLocal ? named.subtracting([.kheaders, .modules]) : named
    }

    /// Brings the headers into the cache, unless they are there.
    ///
    /// - Parameters:
    ///   - btf: the kernel's BTF as well.
    ///   - look: how close the cache is looked at.
    func headers(btf: Bool = false, look: HeaderCache.Look = .files) async throws -> ReadyHeaders {
        try await find(look) { finder, id in
            ReadyHeaders(headers: try await finder.headers(of: id), btf: btf ? try await finder.btf(of: id) : nil)
        }
    }

    /// Brings the kernel's BTF into the cache, unless it is there.
    func btf() async throws -> CacheEntry { try await find(.files) { try await $0.btf(of: $1) } }

    /// The kernel that is meant.
    func buildID(_ cache: HeaderCache) async throws -> BuildID { try await kernel.kernel(servers.client, cache) }

    private func find<Value>(
        _ look: HeaderCache.Look, _ work: (HeaderFinder, BuildID) async throws -> Value
    ) async throws -> Value {
        let cache = try cache.open()
        let id = try await buildID(cache)
        return try await ProgressBar.show("Fetching \("\(id)".prefix(12))") { bar in
            let finder = HeaderFinder(
                cache: cache, client: servers.client, sources: sources, minimum: trust.minimum, look: look,
                running: { try? RunningKernel().identity }
            ) { bar.update($0, of: $1) }
            return try await work(finder, id)
        }
    }
}
