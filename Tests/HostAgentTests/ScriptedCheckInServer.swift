import HeaderTransport
import HostAgent
import KernelHeaders
import Synchronization

/// Answers check-ins by a script, and notes what it was told.
final class ScriptedCheckInServer: CheckInServer {
    struct Upload: Equatable {
        var artefact: Artefact
        var digest: KernelHeaders.Digest
        var claim: String?
        var origin: HeaderOrigin?
    }

    private struct State {
        var sightings: [Sighting] = []
        var uploads: [Upload] = []
        var refusals: [any Error]
    }

    private let answers: [[ArtefactVerdict]]
    private let state: Mutex<State>

    /// - Parameters:
    ///   - answers: one for each sighting; the last one again for those that follow.
    ///   - refusals: what the uploads throw, in their order; those that follow are taken.
    init(_ answers: [ArtefactVerdict]..., refusals: [any Error] = []) {
        self.answers = answers
        state = Mutex(State(refusals: refusals))
    }

    var sightings: [Sighting] { state.withLock { $0.sightings } }
    var uploads: [Upload] { state.withLock { $0.uploads } }

    func report(_ sighting: Sighting) async throws -> (answer: SightingAnswer, from: any CheckInServer) {
        let answer = state.withLock { state in
            state.sightings.append(sighting)
            let verdicts = answers[min(state.sightings.count, answers.count) - 1]
            return SightingAnswer(
                verdicts: sighting.offers.compactMap { offer in verdicts.first { $0.artefact == offer.artefact } },
                time: 1_700_000_000)
        }
        return (answer, self)
    }

    func upload(
        _ file: UploadFile, headersOf kernel: KernelIdentity, claim: String?, origin: HeaderOrigin?
    ) async throws -> (receipt: IngestReceipt, isNew: Bool) {
        try take(Upload(artefact: .headers, digest: file.digest, claim: claim, origin: origin))
        let receipt = IngestReceipt(
            buildID: kernel.buildID, treeDigest: file.digest, files: 1, bytes: 1, newBlobs: 1, newBytes: 1,
            storedBytes: 1
        )
        return (receipt, true)
    }

    func upload(
        _ file: UploadFile, btfOf kernel: KernelIdentity, claim: String?
    ) async throws -> (receipt: BTFReceipt, isNew: Bool) {
        try take(Upload(artefact: .btf, digest: file.digest, claim: claim))
        return (BTFReceipt(buildID: kernel.buildID, digest: file.digest, bytes: file.size, storedBytes: 1), true)
    }

    private func take(_ upload: Upload) throws {
        try state.withLock { state in
            state.uploads.append(upload)
            if !state.refusals.isEmpty { throw state.refusals.removeFirst() }
        }
    }
}
