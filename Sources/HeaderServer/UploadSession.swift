import HTTPTypes
import HeaderStore
import KernelHeaders
import Logging
import NIOCore
import Synchronization

/// An upload on its way, over one connection or several after each other. What has arrived stays on the disk, hashed, when
/// a connection breaks; the next one goes on behind it.
final class UploadSession: Sendable {
    /// A connection's turn to write. Another one's turn ends it.
    struct Turn: Sendable, Equatable { fileprivate let number: Int }

    /// Where the upload stands.
    struct Progress: Sendable {
        /// Bytes that have arrived.
        let offset: Int
        let isComplete: Bool
    }

    private struct State {
        /// Nil once it is being taken in, or was given up.
        var upload: StagedUpload?
        var offset = 0
        var turn = 0
        /// Ends the connection whose turn it is.
        var endTurn: (@Sendable () -> Void)?
        var lastByte: Int
        var answer: Task<UploadAnswer, any Error>?
        var isAnswered = false
    }

    /// Bytes of the whole, if they are known.
    let length: Int?
    private let target: any UploadTarget
    private let digests: [Digest]
    private let now: @Sendable () -> Int
    private let state: Mutex<State>

    /// - Parameters:
    ///   - length: bytes of the whole, if the sender said so; room for them is reserved.
    ///   - digests: what the whole shall have.
    /// - Throws: what the target's `stage` throws.
    init(_ target: any UploadTarget, length: Int?, digests: [Digest], now: @escaping @Sendable () -> Int) throws {
        self.target = target
        self.length = length
        self.digests = digests
        self.now = now
        do {
            state = Mutex(State(upload: try target.stage(expecting: length), lastByte: now()))
        } catch let problem as Problem {
            target.permit.ended(.refused(problem))
            throw problem
        }
    }

    var progress: Progress { state.withLock { Progress(offset: $0.offset, isComplete: $0.answer != nil) } }

    /// Seconds since a byte arrived, or since the answer was there; nil while it is being taken in.
    var idle: Int? { state.withLock { $0.answer != nil && !$0.isAnswered ? nil : now() - $0.lastByte } }

    var isAnswered: Bool { state.withLock { $0.isAnswered } }

    /// Gives a connection its turn, and ends that of another one, which may be half dead.
    ///
    /// - Parameters:
    ///   - offset: where the connection wants to go on.
    ///   - end: closes the connection; called when another one takes over.
    /// - Throws: ``Refusal`` with `upload-offset-mismatch`; the turn stays with who has it. `Problem` with `claim-stale`.
    func begin(at offset: Int, _ end: @escaping @Sendable () -> Void) throws -> Turn {
        let (turn, earlier) = try state.withLock { state in
            guard offset == state.offset else { throw Self.mismatch(state) }
            if state.answer == nil { try target.permit.requireClaim() }
            state.turn += 1
            defer { state.endTurn = end }
            return (Turn(number: state.turn), state.endTurn)
        }
        earlier?()
        return turn
    }

    /// The connection has no part in this any more.
    func end(_ turn: Turn) { state.withLock { if $0.turn == turn.number { $0.endTurn = nil } } }

    /// Ends whatever turn there is. Nothing arrives after it, so what ``progress`` says then stays true.
    func interrupt() {
        let end = state.withLock { state in
            state.turn += 1
            defer { state.endTurn = nil }
            return state.endTurn
        }
        end?()
    }

    /// - Throws: ``Refusal`` if it is another's turn; `Problem` with `request-malformed` for more bytes than were
    ///   announced; what ``StagedUpload/write(_:)`` throws, after which the upload is of no more use.
    func write(_ buffer: ByteBuffer, _ turn: Turn) throws {
        guard buffer.readableBytes > 0 else { return }
        try state.withLock { state in
            guard state.turn == turn.number, let upload = state.upload else { throw Self.mismatch(state) }
            guard state.offset + buffer.readableBytes <= length ?? .max else { throw Self.tooMany }
            do {
                try buffer.withUnsafeReadableBytes { try upload.write($0) }
            } catch let problem as Problem {
                target.permit.ended(.refused(problem))
                throw problem
            }
            target.permit.bytesArrived()
            state.offset = upload.length
            state.lastByte = now()
        }
    }

    /// Takes the upload in, of which everything has arrived. It goes on if the connection breaks now, and who asks again
    /// gets the same answer.
    ///
    /// - Throws: ``Refusal`` if it is another's turn; `Problem` with `upload-incomplete`.
    func complete(_ turn: Turn, _ logger: Logger) throws -> Task<UploadAnswer, any Error> {
        try state.withLock { state in
            if let answer = state.answer { return answer }
            guard state.turn == turn.number, let upload = state.upload.take() else { throw Self.mismatch(state) }
            guard length == nil || length == state.offset else {
                state.upload = upload
                throw Problem(
                    .uploadIncomplete, "The upload ended before its length. Send the rest, or all of it again.")
            }
            let answer = Task {
                defer { answered() }
                return try await takeIn(upload, logger)
            }
            state.answer = answer
            return answer
        }
    }

    private func takeIn(_ upload: StagedUpload, _ logger: Logger) async throws -> UploadAnswer {
        let digest = try upload.finish()
        guard digests.allSatisfy({ $0 == digest }) else {
            upload.discard()
            target.permit.ended(.brokenOff)
            throw Problem(
                .contentDigestMismatch, "What arrived does not have the digest that was announced. Send it again.")
        }
        return try await target.takeIn(upload, digest: digest, logger)
    }

    private func answered() {
        state.withLock { state in
            state.isAnswered = true
            state.lastByte = now()
        }
    }

    /// Gives the upload up. What is being taken in already goes on.
    ///
    /// - Returns: when it has.
    func giveUp() async {
        interrupt()
        // Removed from the disk when nobody holds it.
        let (upload, answer) = state.withLock { ($0.upload.take(), $0.answer) }
        withExtendedLifetime(upload) {}
        _ = await answer?.result
    }

    static let tooMany = Problem(
        .requestMalformed, "These are more or fewer bytes than the upload's length leaves. Begin the upload anew.")

    private static func mismatch(_ state: borrowing State) -> Refusal {
        Refusal(
            problem: Problem(
                .uploadOffsetMismatch,
                "\(state.offset) bytes of this upload have arrived. Ask with HEAD, and go on from there."),
            fields: [
                .uploadOffset: "\(state.offset)", .uploadComplete: state.answer == nil ? "?0" : "?1",
                .uploadDraftInterop: APIField.uploadInteropVersion,
            ])
    }
}
