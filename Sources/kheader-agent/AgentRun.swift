internal import Glibc
internal import HeaderTransport
internal import HostAgent
internal import KernelProbe

/// `kheader-agent run`: checks in, once or again and again, on the one thread of the process.
///
/// A signal ends it at once: nothing is half done then but an upload, which the server holds open for a while, and a
/// loaded module, which its keeper unloads.
struct AgentRun {
    private let arguments: RunArguments
    private let agent: Agent
    private let interval: Duration?

    /// Gives up the process's privileges, before anything is read that somebody else wrote.
    ///
    /// - Throws: `Problem` with `parameter-malformed` for settings that make no sense; what `ProcessPrivileges` throws.
    init(_ arguments: RunArguments) throws {
        self.arguments = arguments
        let settings = try AgentSettings(
            options: arguments.settings, environment: AccessToken.variable(named:), file: arguments.config)
        let module = try PreparedModule(settings, loads: true)
        agent = try Agent(settings, servers: arguments.servers, module: module.access)
        interval = try settings.every()
    }

    /// - Throws: what a single check-in throws; `Shortfall`.
    func run() throws {
        guard let interval else {
            if arguments.isOnlyIfUnreported, try !agent.isUnreported() { return }
            let report: CheckInReport
            do {
                report = try agent.checkIn()
            } catch {
                let failure = Self.failure(error)
                put(failure: failure)
                throw failure
            }
            try put(report)
            guard report.exitStatus == .done else { throw Shortfall(report.exitStatus, report.summary) }
            return
        }
        var schedule = CheckInSchedule(every: interval)
        var generator = SystemRandomNumberGenerator()
        while true {
            var isSuccess = false
            do {
                let report = try agent.checkIn()
                isSuccess = true
                try put(report)
                if report.exitStatus != .done { agent.log(.warning, report.summary) }
            } catch {
                agent.log(.error, "\(error)")
                put(failure: Self.failure(error))
            }
            let pause = schedule.pause(afterSuccess: isSuccess, using: &generator)
            agent.log(.debug, "checking in again in \(pause.components.seconds) s")
            let end = ContinuousClock.now + pause
            // A signal that is only looked at, such as SIGCHLD, must not shorten it.
            while case let rest = end - .now, rest > .zero { sleep(UInt32(clamping: rest.components.seconds + 1)) }
        }
    }

    /// Not found are this host's headers; a server that knows no check-ins, as of a URL without its proxy's prefix, refuses.
    private static func failure(_ error: any Error) -> any Error {
        guard let refusal = error as? ServerRefusal, refusal.status == 404 else { return error }
        return Shortfall(.refused, "\(refusal)")
    }

    private struct Failure: Codable {
        var error: String
        var exitCode: Int32
    }

    private func put(failure error: any Error) {
        guard arguments.printsJSON else { return }
        try? Console.put(
            JSONText.text(Failure(error: "\(error)", exitCode: ExitStatus(error).rawValue), isPretty: false))
    }

    private func put(_ report: CheckInReport) throws {
        if arguments.printsJSON { try Console.put(JSONText.text(report, isPretty: false)) }
    }
}
