import HeaderTransport
import HostAgent
import KernelHeaders
import Synchronization
import Testing

/// A host whose kernel's files are bytes in memory.
final class SimulatedHost: CheckInHost {
    let identity: HostIdentity
    let kernel: KernelIdentity
    private let bytes: [Artefact: [UInt8]]
    private let origin: HeaderOrigin
    private let isDeferred: Bool
    private let counts = Mutex<[Artefact: Int]>([:])

    /// - Parameters:
    ///   - bytes: what can be collected.
    ///   - isDeferred: whether the survey offers headers without looking at them.
    ///   - offers: what the survey offers; nil for what can be collected.
    init(
        _ number: UInt8 = 1, _ bytes: [Artefact: [UInt8]] = [.headers: [1, 2, 3]],
        origin: HeaderOrigin = .sysfs, isDeferred: Bool = false, offers: [Artefact]? = nil
    ) throws {
        identity = HostIdentity(
            host: try #require(HostID(bytes: [UInt8](repeating: number, count: HostID.length))),
            bootID: "boot \(number)")
        kernel = KernelIdentity(buildID: try #require(BuildID("0011223344")), release: "6.1.0-99-amd64")
        self.bytes = bytes
        self.origin = origin
        self.isDeferred = isDeferred
        offered = offers ?? Artefact.allCases.filter { bytes[$0] != nil }
    }

    private let offered: [Artefact]

    /// How often an artefact was collected.
    func collections(of artefact: Artefact) -> Int { counts.withLock { $0[artefact] ?? 0 } }

    func survey() async throws -> HostSurvey {
        HostSurvey(
            steps: [CollectStep(origin, isDeferred ? .deferred : .usable)],
            offers: try offered.map { artefact in
                guard !isDeferred || artefact == .btf, let file = try file(artefact) else {
                    return ArtefactOffer(artefact, origin: artefact == .headers ? origin : nil)
                }
                return ArtefactOffer(
                    artefact, origin: artefact == .headers ? origin : nil, bytes: file.size, digest: file.digest)
            })
    }

    func collect(_ artefact: Artefact) async throws -> CollectedArtefact {
        counts.withLock { $0[artefact, default: 0] += 1 }
        let file = try file(artefact)
        let steps =
            artefact == .headers ? [CollectStep(origin, file == nil ? .damaged : .usable, "as the test wants it")] : []
        return CollectedArtefact(
            steps: steps, found: file.map { ($0, artefact == .headers ? origin : nil) })
    }

    private func file(_ artefact: Artefact) throws -> UploadFile? {
        try bytes[artefact].map {
            try UploadFile(bytes: $0, name: artefact.rawValue, cancellation: Cancellation())
        }
    }
}
