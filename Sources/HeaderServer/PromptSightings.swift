import HTTPTypes
import HeaderArchive
import HeaderStore
import KernelHeaders
import NIOCore
import Synchronization

/// The part of ``PromptAnswers`` for hosts that report again what they reported before: ``SightingRoutes``' answer, to a
/// field, out of ``HeaderStore/keptAnswer(toReport:kernel:)``.
struct PromptSightings: Sendable {
    /// An answer of one second, as all hosts with the same verdicts get it.
    private struct Form {
        let time: Int
        let head: PromptAnswer.Head
        let body: ByteBuffer
        let counts: [MetricsRegistry.Count]

        init(_ answer: SightingAnswer) throws {
            time = answer.time
            body = ByteBuffer(bytes: try JSON.encode(answer))
            let fields: HTTPFields = [
                .contentType: "application/json", .cacheControl: "no-store", .contentLength: "\(body.readableBytes)",
            ]
            head = PromptAnswer.Head(.ok, fields)
            counts = MetricsRegistry.counts(of: answer)
        }
    }

    /// Bytes of a sighting that may be held until it is whole. Agents' have some hundred.
    static let maximumBytes = 16 << 10
    static let route = "/v1/kernels/{buildID}/sightings"

    private let store: HeaderStore
    private let forms = Forms()

    init(store: HeaderStore) { self.store = store }

    /// The kernel that a request's path reports, if it is as plain as agents write it.
    static func kernel(at path: String) -> BuildID? {
        let (beginning, end) = ("/v1/kernels/", "/sightings")
        guard path.hasPrefix(beginning), path.hasSuffix(end) else { return nil }
        return BuildID(Substring(path.utf8.dropFirst(beginning.utf8.count).dropLast(end.utf8.count)))
    }

    /// Nil for what is not surely known.
    func answer(_ id: BuildID, body: [ByteBuffer]) throws -> PromptAnswer? {
        var hash = SHA256Hash()
        for buffer in body { buffer.withUnsafeReadableBytes { hash.update($0) } }
        guard let (answer, number) = store.keptAnswer(toReport: hash.digest(), kernel: id) else { return nil }
        let form = try forms.form(number, of: answer)
        return PromptAnswer(head: form.head, body: .bytes(form.body), counts: form.counts)
    }

    private final class Forms: Sendable {
        /// The last one of each number: there are a few.
        private let last = Mutex<[Int: Form]>([:])

        func form(_ number: Int, of answer: SightingAnswer) throws -> Form {
            try last.withLock { last in
                if let form = last[number], form.time == answer.time { return form }
                let form = try Form(answer)
                last[number] = form
                return form
            }
        }
    }
}
