internal import ArgumentParser
internal import FoundationEssentials
internal import Glibc
internal import HeaderTransport
internal import KernelHeaders
internal import KernelProbe
internal import OperatorDocuments
internal import PrecompiledHeaders
internal import TracingClient

struct DoctorCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor",
        abstract: "Explain why bcc, bpftrace and clang find kernel headers here, or don't.",
        discussion: """
            Shows what the tools look at on this host, what they would find, and what 'kheader exec' would change. \
            Nothing is fetched, and nothing is changed. Exit code 3 says that 'kheader exec' would have no headers either.
            """)

    @Option(help: "How: table, or json.")
    var format = ListFormat.table

    @OptionGroup var kernel: KernelOptions
    @OptionGroup var cache: CacheOptions
    @OptionGroup var servers: ServerOptions

    func run() async throws {
        let report = try await report()
        switch format {
        case .table: try Console.put(report.text(width: Console.outputColumns))
        case .json: try Console.put(JSONText.text(report, isPretty: true))
        }
        guard report.source == nil else { return }
        guard let kernel = report.kernel else {
            throw Problem(.kernelUnknown, "Say with --build-id which kernel it is about.")
        }
        throw Problem(
            .kernelHasNoHeaders,
            "Nothing has the headers of \(kernel.buildID). Where they are, 'kheader push' or 'kheader import' gives "
                + "them to a server.")
    }

    private func report() async throws -> ToolReport {
        let running = Result { try RunningKernel().identity }
        let identity = try? running.get()
        let wanted =
            kernel.isNamed
            ? try await kernel.kernel { try client(servers.addresses(), servers.token()) } : identity?.buildID
        let isRunning = wanted == identity?.buildID
        let environment = ProcessInfo.processInfo.environment
        async let tools = ToolInstallation.find(path: environment["PATH"] ?? "")
        let answers = try await ask(wanted)
        var problem: String?
        if case .failure(let error) = running { problem = "\(error)" }
        return ToolReport(
            kernel: isRunning ? identity : answers.compactMap(\.kernel).first ?? wanted.map { .init(buildID: $0) },
            isRunning: isRunning, problem: problem,
            survey: ToolSurvey(release: identity?.release, environment: environment), tools: await tools,
            cache: cachePlace(wanted), servers: answers.map(\.place),
            precompiled: try await precompiled(await tools, addresses: servers.addresses(), servers.token()))
    }

    /// Which PCHs the tools that are here could have: of the first server that says.
    private func precompiled(
        _ tools: [ToolInstallation], addresses: [ServerAddress], _ token: AccessToken?
    ) async -> [PCHVerdict] {
        let installed = tools.filter { $0.tool != .bpftrace }
        guard !installed.isEmpty else { return [] }
        let client = client(addresses, token)
        let list = (try? await client.toolchains()).map { ($0, server: client.serverNames) }
        var verdicts: [PCHVerdict] = []
        for tool in installed {
            do {
                let compiler: PCHTool = tool.tool == .bcc ? try await .bcc() : try await .clang(tool.path)
                verdicts.append(PCHVerdict(tool.tool, .success(compiler), list))
            } catch {
                verdicts.append(PCHVerdict(tool.tool, .failure(error), list))
            }
        }
        return verdicts
    }

    /// What this host keeps. The folder is not made if it is not there.
    private func cachePlace(_ id: BuildID?) -> ToolReport.Place {
        do {
            let folder = try CacheFolder.place(option: cache.cache)
            guard access(folder, F_OK) == 0 else { return .init(folder, hasHeaders: false, "not there yet") }
            let entries = try cache.open().list()
            let entry = entries.first { $0.buildID == id && $0.artefact == .headers }
            guard let entry, let stamp = entry.stamp else {
                return .init(
                    folder, hasHeaders: false,
                    "does not have them, of \(entries.count) \(entries.count == 1 ? "entry" : "entries")")
            }
            let state = entry.isChecked ? "checked since boot" : "to be checked before use"
            return .init(folder, hasHeaders: true, "has them, from \(stamp.place), \(state)")
        } catch {
            return .init(cache.cache ?? "", hasHeaders: false, isUsable: false, "\(error)")
        }
    }

    // MARK: Servers

    private struct Answer: Sendable {
        let place: ToolReport.Place
        var kernel: KernelIdentity?
    }

    private func client(_ addresses: [ServerAddress], _ token: AccessToken?) -> HeaderServerClient {
        // Who asks for a report waits for it: a server that is away is away.
        var timeouts = TransferTimeouts()
        timeouts.connect = 3
        timeouts.document = 10
        var client = HeaderServerClient(servers: addresses, program: "kheader", token: token, timeouts: timeouts)
        client.retries = 0
        return client
    }

    /// All at once; answers in the servers' order.
    private func ask(_ id: BuildID?) async throws -> [Answer] {
        let addresses = try servers.addresses()
        let token = try servers.token()
        return await withTaskGroup(of: (Int, Answer).self) { group in
            for (index, address) in addresses.enumerated() {
                group.addTask { (index, await ask(address, token, id)) }
            }
            return await group.reduce(into: []) { $0.append($1) }.sorted { $0.0 < $1.0 }.map(\.1)
        }
    }

    private func ask(_ address: ServerAddress, _ token: AccessToken?, _ id: BuildID?) async -> Answer {
        let name = "\(address)"
        do {
            guard let id else {
                let store = try await client([address], token).store()
                return Answer(place: .init(name, hasHeaders: false, "answers, has \(store.kernels) kernels"))
            }
            let kernel = try await client([address], token).kernel(id)
            let conflicts = kernel.conflicts == 0 ? "" : ", \(kernel.conflicts) other trees were refused"
            return Answer(
                place: .init(name, hasHeaders: true, "has them, trust: \(kernel.source.rawValue)\(conflicts)"),
                kernel: kernel.identity)
        } catch let refusal as ServerRefusal where refusal.status == 404 {
            return Answer(place: .init(name, hasHeaders: false, "does not have them"))
        } catch let refusal as ServerRefusal where refusal.status == 401 || refusal.status == 403 {
            let what = token == nil ? "needs a token" : "token refused"
            return Answer(place: .init(name, hasHeaders: false, "\(what): \(refusal)"))
        } catch let error as TransportError {
            return Answer(place: .init(name, hasHeaders: false, "\(error.reason) (\(error.code))"))
        } catch {
            return Answer(place: .init(name, hasHeaders: false, "\(error)"))
        }
    }
}
