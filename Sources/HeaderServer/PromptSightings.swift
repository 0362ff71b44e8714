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

    /// The kernel that a request reports, if it does so as plainly as agents do.
    static func kernel(of request: HTTPRequest) -> BuildID? {
        guard request.method == .post, let path = request.path else { return nil }
        let parts = path.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
        guard parts.count == 5, parts[0].isEmpty, Substring(parts[1]) == "v1", Substring(parts[2]) == "kernels",
            Substring(parts[4]) == "sightings",
            let length = request.headerFields[.contentLength].flatMap({ Int($0) }), (1...maximumBytes) ~= length,
            request.headerFields[.contentType].map({ $0 == "application/json" }) ?? true
        else { return nil }
        return BuildID(Substring(parts[3]))
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
