internal import Glibc
internal import HeaderTransport
internal import HostAgent
internal import KernelHeaders
internal import KernelProbe

/// The agent put together from its settings.
struct Agent {
    let settings: AgentSettings
    let module: HeaderModuleAccess
    private let addresses: [ServerAddress]
    private let timeouts: TransferTimeouts
    private let token: AccessToken?
    private let totalTime: Duration
    let spool: Spool
    let log: AgentLog

    /// - Throws: `Problem` with `parameter-malformed`.
    init(_ settings: AgentSettings, servers: [String], module: HeaderModuleAccess) throws {
        self.settings = settings
        self.module = module
        let log = AgentLog.standardError(least: try settings.logLevel())
        self.log = log
        totalTime = try settings.totalTime()
        addresses = try settings.servers(options: servers)
        var timeouts = try settings.timeouts()
        // A server that says nothing must leave time for the next one.
        let share = Int(totalTime.components.seconds) / (addresses.count + 1)
        timeouts.document = min(timeouts.document, max(share, 1))
        self.timeouts = timeouts
        token = try AccessToken.find(
            file: settings[.tokenFile], environment: { AgentSettings.Name(rawValue: $0).flatMap { settings[$0] } },
            notice: { log(.warning, $0) })
        // systemd gives a list if a service has several folders.
        let state = getenv("STATE_DIRECTORY").flatMap {
            String(cString: $0).split(separator: ":").first.map { String($0) }
        }
        spool = Spool(folder: settings[.spool] ?? state ?? Spool.standardFolder)
    }

    /// This host, looked at anew.
    func host() throws -> LocalHost { try LocalHost(root: settings.root, salt: settings.salt, module: module) }

    /// Whether an earlier check-in of this boot has failed.
    func isUnreported() throws -> Bool {
        spool.holds(try HostIdentity(root: settings.root, salt: settings.salt).bootID)
    }

    private func client(_ timeouts: TransferTimeouts) -> HeaderServerClient {
        HeaderServerClient(servers: addresses, program: "kheader-agent", token: token, timeouts: timeouts) {
            [log] in log(.notice, $0)
        }
    }

    /// A client for a person who waits: a server that is away is away.
    ///
    /// - Throws: `Problem` with `parameter-malformed`.
    func quickClient() throws -> HeaderServerClient {
        var quick = try settings.quickTimeouts()
        quick.document = min(quick.document, timeouts.document)
        return client(quick)
    }

    /// One check-in, within its time, on this thread.
    func checkIn() throws -> CheckInReport {
        let deadline = ContinuousClock.now + totalTime
        let host = try host()
        remember { try spool.mark(host.identity.bootID) }
        let checkIn = CheckIn(host: host, server: client(timeouts), deadline: deadline, log: log)
        let report = try SingleThread.run(until: deadline) { try await checkIn.run() }
        remember { try spool.clear() }
        return report
    }

    /// The spool is a help for later; a host without it is reported all the same.
    private func remember(_ body: () throws -> Void) {
        do { try body() } catch { log(.warning, "a failed check-in can't be remembered", "\(error)") }
    }
}
