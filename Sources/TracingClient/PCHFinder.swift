internal import Glibc
internal import HeaderArchive
public import HeaderTransport
public import KernelHeaders
internal import KernelProbe
internal import OperatorDocuments
public import PrecompiledHeaders

/// Brings a PCH that fits a tool and its program into the cache: from the cache itself, else from the servers, where it may
/// have to be made first.
///
/// Whatever it can't find, it says why in a sentence; the tool then has the full headers.
public struct PCHFinder: Sendable {
    /// What a program asks for.
    public struct Wish: Sendable {
        /// The headers that are seen in its text; none if nothing can be seen.
        public var headers: [String]
        /// An umbrella that the user names.
        public var umbrella: String?
        /// The tree that the tool has beside the PCH; nil for whatever the server has.
        public var tree: Digest?
        /// The kernel's architecture, if it is known.
        public var architecture: Architecture?

        public init(
            headers: [String] = [], umbrella: String? = nil, tree: Digest? = nil, architecture: Architecture? = nil
        ) {
            self.headers = headers
            self.umbrella = umbrella
            self.tree = tree
            self.architecture = architecture
        }
    }

    /// The longest that a server is not asked again, in seconds.
    static let longestPause = 10

    private let cache: HeaderCache
    private let client: @Sendable () throws -> HeaderServerClient
    private let acceptsBuilders: Bool
    private let patience: Duration
    private let progress: TransferProgress?
    private let waiting: @Sendable (PCHProgress) -> Void
    /// Waits before a server is asked again; tests do not.
    var pause: @Sendable (Duration) async throws -> Void = { try await Task.sleep(for: $0) }

    /// - Parameters:
    ///   - client: is called if servers have to be asked.
    ///   - acceptsBuilders: whether PCHs will do that a host has made with a token of role `builder`.
    ///   - patience: how long is waited for one that is being made.
    ///   - progress: is told how far the transfer is.
    ///   - waiting: is told how far the server is.
    public init(
        cache: HeaderCache, client: @escaping @Sendable () throws -> HeaderServerClient, acceptsBuilders: Bool = false,
        patience: Duration, progress: TransferProgress? = nil,
        waiting: @escaping @Sendable (PCHProgress) -> Void = { _ in }
    ) {
        self.cache = cache
        self.client = client
        self.acceptsBuilders = acceptsBuilders
        self.patience = patience
        self.progress = progress
        self.waiting = waiting
    }

    /// A PCH of a kernel, verified.
    ///
    /// - Throws: ``PCHUnavailable``; ``CacheError``; `SystemCallError`; `CancellationError`.
    public func pch(of id: BuildID, for tool: PCHTool, _ wish: Wish) async throws -> CachedPCH {
        let cached = try await cache.pch(of: id, naming: tool.mark) { record in
            tool.fits(record.toolchain) && tool.fits(record.manifest) && record.isFoundByName == tool.isFoundByName
                && (acceptsBuilders || record.manifest.rank == .server)
                && wish.tree.map { $0 == record.manifest.treeDigest } ?? true && Self.isEnough(record.manifest, wish)
        }
        if let cached { return cached }
        do {
            var client = try client()
            // The full headers are the other way; they are worth more patience.
            client.retries = 0
            return try await fetched(id, tool, wish, client)
        } catch let error as ServerRefusal {
            throw PCHUnavailable(error)
        } catch let error as TransportError {
            throw PCHUnavailable(error)
        } catch let problem as Problem where problem.code == .parameterMalformed {
            // What servers are called makes no sense.
            throw PCHUnavailable(problem)
        }
    }

    /// Of the cache's: one that the user names, else one that has what the program includes.
    private static func isEnough(_ manifest: PCHManifest, _ wish: Wish) -> Bool {
        if let umbrella = wish.umbrella, manifest.umbrella != umbrella { return false }
        if wish.headers.isEmpty, wish.umbrella == nil { return manifest.umbrella == Umbrella.all.name }
        return HeaderCoverage(manifest).covers(wish.headers)
    }

    // MARK: Servers

    private func fetched(
        _ id: BuildID, _ tool: PCHTool, _ wish: Wish, _ client: HeaderServerClient
    ) async throws -> CachedPCH {
        let list = try await client.toolchains()
        guard let toolchain = list.toolchains.map(\.toolchain).first(where: tool.fits) else {
            throw PCHUnavailable(Self.noToolchain(list, tool, client.serverNames))
        }
        let choice = try UmbrellaChoice(wish, among: list.umbrellas, ownHeaders: tool.ownHeaders)
        let kernel = try await client.kernel(id)
        let architecture = wish.architecture ?? kernel.identity.architecture
        guard let architecture else {
            throw PCHUnavailable("For which machine the kernel \(id) was built is not known.")
        }
        let request = PCHRequest(
            buildID: id, toolchain: toolchain.id, profile: tool.profileName(for: architecture),
            umbrella: choice.umbrella.name, acceptsBuilders: acceptsBuilders)
        let manifest = try await manifest(request, tool, choice, client)
        if let obstacle = HeaderCoverage(manifest).obstacle(to: wish.headers) {
            throw PCHUnavailable("The program can't have a PCH: \(obstacle).")
        }
        if let tree = wish.tree, manifest.treeDigest != tree {
            throw PCHUnavailable(
                "The server's PCH is of another tree (\(manifest.treeDigest)) than the headers here (\(tree)).")
        }
        let record = PCHRecord(
            identity: kernel.identity, toolchain: toolchain, manifest: manifest, isFoundByName: tool.isFoundByName,
            place: client.serverNames, added: time(nil))
        let entry = try await cache.addPCH(record) { path in
            try await client.download(manifest, of: request, to: path, progress: progress)
        }
        _ = try? cache.clean(unusedFor: HeaderCache.standardAge, keeping: HeaderCache.standardBytes, except: id)
        return entry
    }

    private static func noToolchain(_ list: ToolchainList, _ tool: PCHTool, _ servers: String) -> String {
        if let off = list.off { return "\(servers) makes no PCHs: \(off)" }
        let own = list.toolchains.filter { !$0.profiles.isEmpty }
        guard !own.isEmpty else { return "\(servers) has no clang to make PCHs with." }
        let others = own.map { entry in
            entry.toolchain.version + (entry.toolchain.package.map { " (\($0))" } ?? "")
        }
        return "\(servers) does not have \(tool.compilerName), and a PCH is good for one clang only. It has "
            + "\(others.joined(separator: ", "))."
    }

    /// - Throws: ``PCHUnavailable`` if it is not there in time.
    private func manifest(
        _ request: PCHRequest, _ tool: PCHTool, _ choice: UmbrellaChoice, _ client: HeaderServerClient
    ) async throws -> PCHManifest {
        let start = ContinuousClock.now
        var waited = Duration.zero
        var hasUploaded = false
        while true {
            var progress: PCHProgress
            do {
                switch try await client.pch(request) {
                case .ready(let manifest): return manifest
                case .underway(let underway): progress = underway
                }
            } catch let refusal as ServerRefusal where refusal.problemCode == .profileUnknown && !hasUploaded {
                guard case .own(let profile, _) = tool.profile else { throw refusal }
                hasUploaded = true
                try await client.upload(profile)
                continue
            } catch let refusal as ServerRefusal where refusal.problemCode == .pchQueueFull {
                progress = PCHProgress(state: .queued, position: 0, step: nil, stepNumber: 0, steps: 0, retryAfter: 2)
            }
            if let obstacle = choice.obstacle {
                throw PCHUnavailable("The program can't have a PCH: \(obstacle).")
            }
            waiting(progress)
            let seconds = min(max(progress.retryAfter, 1), Self.longestPause)
            let left = patience - max(waited, ContinuousClock.now - start)
            guard left > .zero else {
                throw PCHUnavailable(
                    "The server has not made the PCH in \(patience.components.seconds) s: it is "
                        + "\(Self.text(progress)). --pch-wait waits longer.", .unreachable)
            }
            let next = min(.seconds(seconds), left)
            try await pause(next)
            waited += next
        }
    }

    /// How far a PCH is, in a few words.
    public static func text(_ progress: PCHProgress) -> String {
        switch progress.state {
        case .queued: progress.position > 0 ? "number \(progress.position) in the queue" : "in the queue"
        case .building:
            progress.step.map { "\($0), step \(progress.stepNumber) of \(progress.steps)" } ?? "being made"
        }
    }
}
