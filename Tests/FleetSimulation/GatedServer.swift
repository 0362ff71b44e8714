import HeaderTransport
import HostAgent
import KernelHeaders
import Synchronization

/// A server that so many hosts at a time may ask; the others stand in line. Notes how long answers take, and what is
/// uploaded.
final class GatedServer: CheckInServer {
    private struct State {
        var free: Int
        var line: [CheckedContinuation<Void, Never>] = []
        var served = 0
        var latencies: [Duration] = []
        var uploads: [String: Int] = [:]
    }

    private let server: any CheckInServer
    private let state: Mutex<State>

    init(_ server: any CheckInServer, width: Int) {
        self.server = server
        state = Mutex(State(free: width))
    }

    var latencies: [Duration] { state.withLock { $0.latencies } }
    var uploads: [String: Int] { state.withLock { $0.uploads } }

    func reset() { state.withLock { $0.latencies = [] } }

    func report(_ sighting: Sighting) async throws -> (answer: SightingAnswer, from: any CheckInServer) {
        try await gated {
            let start = ContinuousClock.now
            let (answer, _) = try await server.report(sighting)
            let latency = ContinuousClock.now - start
            state.withLock { $0.latencies.append(latency) }
            return (answer, self)
        }
    }

    func upload(
        _ file: UploadFile, headersOf kernel: KernelIdentity, claim: String?, origin: HeaderOrigin?
    ) async throws -> (receipt: IngestReceipt, isNew: Bool) {
        state.withLock { $0.uploads[Artefact.headers.rawValue, default: 0] += 1 }
        return try await gated {
            try await server.upload(file, headersOf: kernel, claim: claim, origin: origin)
        }
    }

    func upload(
        _ file: UploadFile, btfOf kernel: KernelIdentity, claim: String?
    ) async throws -> (receipt: BTFReceipt, isNew: Bool) {
        state.withLock { $0.uploads[Artefact.btf.rawValue, default: 0] += 1 }
        return try await gated { try await server.upload(file, btfOf: kernel, claim: claim) }
    }

    private func gated<Value>(_ body: () async throws -> Value) async throws -> Value {
        await withCheckedContinuation { continuation in
            let isFree = state.withLock { state in
                guard state.free > 0 else {
                    state.line.append(continuation)
                    return false
                }
                state.free -= 1
                return true
            }
            if isFree { continuation.resume() }
        }
        defer { next() }
        return try await body()
    }

    private func next() {
        let waiting = state.withLock { state -> CheckedContinuation<Void, Never>? in
            guard state.served < state.line.count else {
                state.free += 1
                return nil
            }
            state.served += 1
            return state.line[state.served - 1]
        }
        waiting?.resume()
    }
}
