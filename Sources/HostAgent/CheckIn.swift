internal import HeaderArchive
internal import HeaderTransport
internal import KernelHeaders

/// One check-in: tells a server which kernel runs on a host, and does what the server answers.
public struct CheckIn: Sendable {
    /// How often the server is asked in one check-in, waiting left out: an answer that leads to another question is rare,
    /// and a server that never has enough must not keep a host busy.
    static let maximumRounds = 6
    /// The shortest and longest pause before asking again, in seconds, whatever the server says.
    static let pauses = 1...600

    let host: any CheckInHost
    let server: any CheckInServer
    let log: AgentLog
    /// When to give up waiting for other hosts.
    let deadline: ContinuousClock.Instant
    /// Waits; tests do not.
    var pause: @Sendable (Duration) async throws -> Void = { try await SingleThread.sleep(for: $0) }
    var now: @Sendable () -> ContinuousClock.Instant = { .now }

    /// - Parameter deadline: no pause for another host begins that would end after it. What is under way then is for the
    ///   caller to end.
    public init(
        host: any CheckInHost, server: any CheckInServer, deadline: ContinuousClock.Instant, log: AgentLog
    ) {
        self.host = host
        self.server = server
        self.deadline = deadline
        self.log = log
    }

    /// - Throws: what the server throws when no server could be told; what keeps the host from being looked at.
    public func run() async throws -> CheckInReport {
        let survey = try await host.survey()
        var state = State(
            sighting: Sighting(
                host: host.identity.host, bootID: host.identity.bootID,
                agent: "kheader-agent/\(ReleaseVersion.current)", kernel: host.kernel, steps: survey.steps,
                offers: survey.offers))
        for step in survey.steps {
            log(step.isFlawed ? .notice : .debug, "\(step.origin.rawValue): \(step.outcome.rawValue)", step.detail)
        }
        var rounds = 0
        while true {
            rounds += 1
            let (answer, answering) = try await server.report(state.sighting)
            var wait: Int?
            var again = false
            for verdict in answer.verdicts where state.results[verdict.artefact] == nil {
                log(
                    .info, "\(verdict.artefact.rawValue): \(verdict.answer.rawValue) (\(verdict.reason.rawValue))",
                    verdict.detail)
                switch try await follow(verdict, of: answering, &state) {
                case .settled: break
                case .askAgain: again = true
                case .wait(let seconds): wait = max(wait ?? 0, seconds)
                }
            }
            if !again, let wait {
                // Full jitter on top: all that wait for one host come back at different times.
                let pause = Duration.seconds(Double(wait) * Double.random(in: 1...2))
                guard now() + pause < deadline else { break }
                try await self.pause(pause)
                rounds -= 1
            } else if !again || rounds == Self.maximumRounds {
                break
            }
        }
        return state.report(for: host)
    }

    private enum Next {
        case settled
        case askAgain
        case wait(seconds: Int)
    }

    private func follow(
        _ verdict: ArtefactVerdict, of server: any CheckInServer, _ state: inout State
    ) async throws -> Next {
        let artefact = verdict.artefact
        switch verdict.answer {
        case .have where verdict.wantsDigest == true && state.sighting.digest(of: artefact) == nil:
            if case .some = try await collect(artefact, &state) { return .askAgain }
            // Nobody waits for it: what was found is reported the next time.
            state.settle(artefact, .have, verdict.reason.rawValue, verdict.detail)
        case .have: state.settle(artefact, .have, verdict.reason.rawValue, verdict.detail)
        case .upload: return try await upload(verdict, to: server, &state)
        case .wait:
            state.pending[artefact] = verdict
            return .wait(seconds: min(max(verdict.seconds ?? 0, Self.pauses.lowerBound), Self.pauses.upperBound))
        case .conflict: state.settle(artefact, .conflict, verdict.reason.rawValue, verdict.detail)
        case .refused: state.settle(artefact, .refused, verdict.reason.rawValue, verdict.detail)
        case .unknown:
            state.settle(
                artefact, .refused, verdict.reason.rawValue,
                "The server's answer is of a later version than this agent. \(verdict.detail)")
        }
        return .settled
    }

    /// - Returns: the file to send; nil if there is none any more, which the sighting then says.
    private func collect(_ artefact: Artefact, _ state: inout State) async throws -> UploadFile? {
        if let file = state.files[artefact] { return file }
        let collected = try await host.collect(artefact)
        if artefact == .headers {
            state.sighting.steps = collected.steps
            for step in collected.steps where step.outcome != .notNeeded {
                log(
                    step.outcome == .usable ? .info : .notice, "\(step.origin.rawValue): \(step.outcome.rawValue)",
                    step.detail)
            }
        }
        let index = state.sighting.offers.firstIndex { $0.artefact == artefact }
        guard let found = collected.found else {
            if let index { state.sighting.offers.remove(at: index) }
            return nil
        }
        let offer = ArtefactOffer(artefact, origin: found.origin, bytes: found.file.size, digest: found.file.digest)
        if let index { state.sighting.offers[index] = offer }
        state.files[artefact] = found.file
        return found.file
    }

    private func upload(
        _ verdict: ArtefactVerdict, to server: any CheckInServer, _ state: inout State
    ) async throws -> Next {
        let artefact = verdict.artefact
        guard let file = try await collect(artefact, &state) else {
            state.settle(
                artefact, .notCollected, nil,
                "The server wants this host's \(artefact.rawValue), and none could be collected.")
            // The server gives the claim to another host.
            return .askAgain
        }
        do {
            let detail: String
            switch artefact {
            case .headers:
                let origin = state.sighting.offers.first { $0.artefact == artefact }?.origin
                let (receipt, isNew) = try await server.upload(
                    file, headersOf: host.kernel, claim: verdict.claim, origin: origin)
                detail =
                    "The server \(isNew ? "took" : "had by now") \(receipt.files) files, tree \(receipt.treeDigest), of \(ByteSize.text(file.size)) sent."
            case .btf:
                let (receipt, isNew) = try await server.upload(file, btfOf: host.kernel, claim: verdict.claim)
                detail = "The server \(isNew ? "took" : "had by now") \(ByteSize.text(receipt.bytes))."
            }
            state.settle(artefact, .uploaded, verdict.reason.rawValue, detail)
            log(.info, "\(artefact.rawValue): uploaded", detail)
        } catch let refusal as ServerRefusal where refusal.problemCode == .claimStale {
            return .askAgain
        } catch let refusal as ServerRefusal where [409, 413, 415, 422].contains(refusal.status) {
            state.settle(artefact, refusal.status == 409 ? .conflict : .refused, refusal.code, refusal.detail)
            log(.warning, "\(artefact.rawValue): \(refusal.code)", refusal.detail)
        }
        return .settled
    }
}

/// How far a check-in is.
private struct State {
    var sighting: Sighting
    var files: [Artefact: UploadFile] = [:]
    var results: [Artefact: CheckInReport.Result] = [:]
    /// What waits for another host.
    var pending: [Artefact: ArtefactVerdict] = [:]

    init(sighting: Sighting) { self.sighting = sighting }

    mutating func settle(_ artefact: Artefact, _ outcome: CheckInReport.Outcome, _ reason: String?, _ detail: String) {
        results[artefact] = .init(artefact: artefact, outcome: outcome, reason: reason, detail: detail)
    }

    /// Why there is nothing.
    private func nothing(_ artefact: Artefact) -> String {
        let flaws = sighting.steps.filter(\.isFlawed).map { step in
            "\(step.origin.rawValue) \(step.outcome.rawValue)" + (step.detail.map { ": \($0)" } ?? ".")
        }
        guard artefact == .headers, !flaws.isEmpty else { return "This host has no \(artefact.rawValue) to give." }
        return "This host has none that can be used. \(flaws.joined(separator: " "))"
    }

    func report(for host: any CheckInHost) -> CheckInReport {
        let results = Artefact.allCases.map { artefact in
            self.results[artefact]
                ?? pending[artefact].map {
                    .init(artefact: artefact, outcome: .waiting, reason: $0.reason.rawValue, detail: $0.detail)
                }
                ?? .init(artefact: artefact, outcome: .nothing, detail: nothing(artefact))
        }
        return CheckInReport(
            kernel: host.kernel, host: host.identity.host, bootID: host.identity.bootID, steps: sighting.steps,
            results: results)
    }
}

extension CollectStep {
    /// There is something, and it is not as it should be.
    fileprivate var isFlawed: Bool {
        switch outcome {
        case .usable, .deferred, .notNeeded, .missing: false
        default: true
        }
    }
}

extension Sighting {
    fileprivate func digest(of artefact: Artefact) -> KernelHeaders.Digest? {
        offers.first { $0.artefact == artefact }?.digest
    }
}
