import ArgumentParser
import FoundationEssentials
import HostAgent
import HeaderTransport
import KHeaderTestSupport
import KernelHeaders

/// A fleet that boots at once: the agent's own check-in, for very many hosts in one process, against the real server over
/// real HTTP.
///
/// Three waves: all hosts boot; some with an archive of other bytes boot; all check in again. Prints figures as JSON, and
/// ends with 1 if a host was told what is not so, or anything was uploaded twice.
@main struct FleetSimulation: AsyncParsableCommand {
    @Option(help: "The program kheaderd.")
    var server: String

    @Option(help: "How many hosts.")
    var hosts = 100_000

    @Option(help: "How many kernels they run.")
    var kernels = 40

    @Option(help: "How many hosts have an archive of other bytes than the others with their kernel.")
    var dissenters = 100

    @Option(help: "How many requests may be under way at a time.")
    var connections = 64

    func validate() throws {
        guard kernels > 0, hosts >= kernels, dissenters >= 0, connections > 0 else {
            throw ValidationError("There must be as many hosts as kernels, and a connection.")
        }
    }

    func run() async throws {
        let figures = try await withTemporaryFolder { folder in
            let kernels = try (0..<kernels).map { try FleetKernel($0, folder) }
            let process = try ServerProcess(program: server, folder: folder.path("store"))
            let figures: FleetFigures
            do {
                figures = try await simulate(kernels, process)
            } catch {
                process.stop()
                throw error
            }
            process.stop()
            return figures
        }
        try Console.put(JSONText.text(figures, isPretty: true))
        guard figures.wrong.isEmpty else { throw ExitCode.failure }
    }

    private func simulate(_ kernels: [FleetKernel], _ process: ServerProcess) async throws -> FleetFigures {
        let server = GatedServer(
            HeaderServerClient(servers: [try ServerAddress(process.url)], program: "fleet-simulation"),
            width: connections)
        let honest = (0..<hosts).map { FleetHost($0, kernels[$0 % kernels.count], isHonest: true) }
        let dissenting = (0..<dissenters).map { FleetHost(hosts + $0, kernels[$0 % kernels.count], isHonest: false) }
        var figures = FleetFigures(hosts: hosts, kernels: kernels.count, dissenters: dissenters)
        figures.boot = try await wave(honest, server, process, &figures.wrong)
        figures.dissent = try await wave(dissenting, server, process, &figures.wrong)
        figures.again = try await wave(honest, server, process, &figures.wrong)
        figures.uploads = server.uploads
        for artefact in Artefact.allCases where figures.uploads[artefact.rawValue] != kernels.count {
            figures.wrong.append("\(figures.uploads[artefact.rawValue] ?? 0) uploads of \(artefact.rawValue)")
        }
        return figures
    }

    /// All these hosts at once.
    private func wave(
        _ hosts: [FleetHost], _ server: GatedServer, _ process: ServerProcess, _ wrong: inout [String]
    ) async throws -> FleetFigures.Wave {
        server.reset()
        let start = (time: ContinuousClock.now, cpu: try process.cpuSeconds())
        let memory = try process.memory()
        var memories: [Int] = []
        try await withThrowingTaskGroup(of: String?.self) { group in
            for host in hosts {
                group.addTask {
                    let report = try await CheckIn(
                        host: host, server: server, deadline: .now + .seconds(3600), log: AgentLog { _, _ in }
                    ).run()
                    return host.objection(to: report)
                }
            }
            var answered = 0
            for try await objection in group {
                answered += 1
                if let objection, wrong.count < 20 { wrong.append(objection) }
                if answered % max(1, hosts.count / 4) == 0 { memories.append(try process.memory()) }
            }
        }
        let seconds = (ContinuousClock.now - start.time) / .seconds(1)
        return FleetFigures.Wave(
            checkIns: server.latencies.count, seconds: seconds,
            serverCPUMicroseconds: (try process.cpuSeconds() - start.cpu) * 1e6
                / Double(max(1, server.latencies.count)),
            latencies: server.latencies, memoryBefore: memory, memoryByQuarters: memories)
    }
}
