import HTTPTypes
import HeaderArchive
import HeaderStore
import KernelHeaders
import NIOCore
import Synchronization

/// The part of ``PromptAnswers`` for hosts that report again what they reported before: ``SightingRoutes``' answer, to a
/// field, out of ``HeaderStore/keptAnswer(toReport:kernel:)``.
struct PromptSightings: Sendable {
    /// An answer without its time, which comes first in it.
    private struct Form {
        let rest: [UInt8]
        let labels: [MetricsRegistry.Labels]
    }

    /// Bytes of a sighting that may be held until it is whole. Agents' have some hundred.
    static let maximumBytes = 16 << 10
    static let route = "/v1/kernels/{buildID}/sightings"

    private let store: HeaderStore
    private let metrics: MetricsRegistry
    /// By their number: there are a few.
    private let forms = Forms()

    init(store: HeaderStore, metrics: MetricsRegistry) {
        self.store = store
        self.metrics = metrics
    }

    /// The kernel that a request's path reports, if it is as plain as agents write it.
    static func kernel(at path: String) -> BuildID? {
        let path = path.utf8
        let (beginning, end) = ("/v1/kernels/".utf8, "/sightings".utf8)
        guard path.count > beginning.count + end.count, path.starts(with: beginning) else { return nil }
        let id = path.dropFirst(beginning.count).dropLast(end.count)
        guard path[id.endIndex...].elementsEqual(end) else { return nil }
        return BuildID(Substring(id))
    }

    /// Answers, and counts it as the route does; nil for what is not surely known, and nothing was counted.
    func answer(_ id: BuildID, body: [ByteBuffer]) throws -> PromptAnswer? {
        var hash = SHA256Hash()
        for buffer in body { buffer.withUnsafeReadableBytes { hash.update($0) } }
        guard let (answer, number) = store.keptAnswer(toReport: hash.digest(), kernel: id) else { return nil }
        let form = try forms.form(number, of: answer)
        metrics.answered(form.labels)
        let text = Self.beginning(answer.time)
        var bytes = ByteBufferAllocator().buffer(capacity: text.utf8.count + form.rest.count)
        bytes.writeString(text)
        bytes.writeBytes(form.rest)
        let fields: HTTPFields = [
            .contentType: "application/json", .cacheControl: "no-store", .contentLength: "\(bytes.readableBytes)",
        ]
        return PromptAnswer(head: HTTPResponse(status: .ok, headerFields: fields), body: .bytes(bytes))
    }

    private static func beginning(_ time: Int) -> String { "{\"time\":\(time)," }

    private final class Forms: Sendable {
        private let made = Mutex<[Int: Form]>([:])

        func form(_ number: Int, of answer: SightingAnswer) throws -> Form {
            try made.withLock { made in
                if let form = made[number] { return form }
                let beginning = PromptSightings.beginning(answer.time)
                let form = Form(
                    rest: Array(try JSON.encode(answer).dropFirst(beginning.utf8.count)),
                    labels: answer.verdicts.map { MetricsRegistry.Labels($0) })
                made[number] = form
                return form
            }
        }
    }
}
