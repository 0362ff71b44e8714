import HTTPTypes
import KernelHeaders
import Synchronization

/// The uploads in several requests that are under way, by the secret that their URLs end in. In memory: a server that
/// starts again knows none, and clients begin anew.
final class UploadSessions: Sendable {
    let limits: UploadLimits
    private let sessions = Mutex<[String: UploadSession]>([:])

    init(_ limits: UploadLimits) { self.limits = limits }

    /// Begins an upload.
    ///
    /// - Throws: ``Refusal`` with `too-many-uploads`; what ``UploadSession`` throws.
    func begin(_ make: () throws -> UploadSession) throws -> (token: String, session: UploadSession) {
        expire()
        try sessions.withLock { try makeRoom(&$0) }
        let session = try make()
        // Who knows it may write: 128 bits of the system's randomness.
        let token = (0..<32).map { _ in String(Int.random(in: 0..<16), radix: 16) }.joined()
        try sessions.withLock { sessions in
            try makeRoom(&sessions)
            sessions[token] = session
        }
        return (token, session)
    }

    private func makeRoom(_ sessions: inout [String: UploadSession]) throws {
        guard sessions.count >= limits.sessions else { return }
        // An answer that may be asked for again is worth less than a new upload.
        let answered = sessions.filter { $0.value.isAnswered }
        guard let oldest = answered.max(by: { $0.value.idle ?? 0 < $1.value.idle ?? 0 }) else {
            throw Self.tooMany(sessions.count)
        }
        sessions[oldest.key] = nil
    }

    /// - Throws: `Problem` with `upload-unknown`.
    func session(_ token: String) throws -> UploadSession {
        expire()
        guard let session = sessions.withLock({ $0[token] }) else {
            throw Problem(
                .uploadUnknown,
                "There is no such upload: it was ended, or nothing came of it for \(limits.seconds) seconds, or the server was started again. Begin anew."
            )
        }
        return session
    }

    /// Ends an upload.
    func end(_ token: String) async { await sessions.withLock { $0.removeValue(forKey: token) }?.giveUp() }

    /// Ends what nothing came of for long enough.
    func expire() {
        let expired = sessions.withLock { sessions in
            let expired = sessions.filter { $0.value.idle ?? 0 > limits.seconds }
            for token in expired.keys { sessions[token] = nil }
            return expired.values
        }
        for session in expired { Task { await session.giveUp() } }
    }

    /// Ends what nothing came of, though nobody asks for anything, until the task is cancelled.
    func expireForEver() async throws {
        while true {
            try await Task.sleep(for: .seconds(max(1, limits.seconds / 10)))
            expire()
        }
    }

    /// How many there are that have no answer yet.
    var count: Int { sessions.withLock { $0.values.count { !$0.isAnswered } } }

    /// Ends all of them.
    func close() async {
        for token in sessions.withLock({ Array($0.keys) }) { await end(token) }
    }

    private static func tooMany(_ count: Int) -> Refusal {
        Refusal(
            problem: Problem(
                .tooManyUploads, "\(count) uploads are under way, as many as this server takes. Try again later."),
            fields: [.retryAfter: "10"])
    }
}
