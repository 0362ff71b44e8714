import FoundationEssentials
import HTTPTypes
import HeaderArchive
import HeaderStore
import Hummingbird
import KernelHeaders
import NIOCore

/// Where agents report that their host runs a kernel, and hear what the server wants of it.
struct SightingRoutes {
    typealias Context = ServerRequestContext

    let store: HeaderStore
    let registry: MetricsRegistry

    func add(to router: Router<Context>) {
        registry.begin("kheaderd_sightings_total")
        router.post("/v1/kernels/{buildID}/sightings", use: report)
    }

    /// Answers when the sighting is durable.
    @Sendable private func report(_ request: Request, _ context: Context) async throws -> Response {
        let id = try context.buildID()
        let type = request.headers[.contentType].map { $0.prefix { $0 != ";" }.lowercased() }
        guard type == nil || type == "application/json" else {
            throw Problem(.sightingMalformed, "A sighting is JSON. Send it with Content-Type: application/json")
        }
        let body = try await Self.body(of: request)
        let sighting = try Sighting(checking: body, kernel: id)
        let answer = try await store.checkIn(
            sighting, sentAs: SHA256Hash.digest(of: body), by: context.visitor.token)
        registry.count(MetricsRegistry.counts(of: answer))
        var response = try Response.json(answer)
        // A claim is for one host.
        response.headers[.cacheControl] = "no-store"
        return response
    }

    private static func body(of request: Request) async throws -> [UInt8] {
        let limit = Sighting.maximumBytes
        let tooLarge = Problem(.sightingTooLarge, "A sighting has at most \(limit) bytes. Leave out details.")
        guard request.headers[.contentLength].flatMap({ Int($0) }) ?? 0 <= limit else { throw tooLarge }
        var bytes: [UInt8] = []
        for try await buffer in request.body {
            guard bytes.count + buffer.readableBytes <= limit else { throw tooLarge }
            bytes += buffer.readableBytesView
        }
        return bytes
    }
}

extension MetricsRegistry {
    /// What counts a sighting, and what was answered to its offers.
    static func counts(of answer: SightingAnswer) -> [Count] {
        [Count(name: "kheaderd_sightings_total", labels: Labels())]
            + answer.verdicts.map { verdict in
                let labels = Labels([
                    "artefact": verdict.artefact.rawValue, "answer": verdict.answer.rawValue,
                    "reason": verdict.reason.rawValue,
                ])
                return Count(name: "kheaderd_verdicts_total", labels: labels)
            }
    }
}

extension Sighting {
    /// More places than an agent looks at.
    static let maximumSteps = 32

    /// A sighting from its JSON form, which anybody may have sent.
    ///
    /// - Parameter kernel: the path's.
    /// - Throws: `Problem` with `sighting-malformed`.
    init(checking bytes: [UInt8], kernel id: BuildID) throws {
        func malformed(_ why: String) -> Problem {
            Problem(
                .sightingMalformed,
                "The sighting is malformed: \(why). The project's openapi/openapi.yaml describes it.")
        }
        do {
            self = try JSONDecoder().decode(Sighting.self, from: Data(bytes))
        } catch let error as DecodingError {
            throw malformed(Self.sentence(error))
        }
        guard kernel.buildID == id else { throw malformed("its kernel's buildID is not that of the path") }
        for (name, text) in [
            ("release", kernel.release), ("versionLine", kernel.versionLine),
            ("architecture", kernel.architecture?.machine),
        ] {
            guard text?.isLabel(maximumLength: KernelIdentity.maximumLabelLength) ?? true else {
                throw malformed(
                    "its \(name) is over \(KernelIdentity.maximumLabelLength) bytes, or has control characters")
            }
        }
        for (name, text) in [("bootID", bootID), ("agent", agent)] {
            guard text.isLabel(maximumLength: Self.maximumNameLength) else {
                throw malformed("its \(name) is over \(Self.maximumNameLength) bytes, or has control characters")
            }
        }
        guard steps.count <= Self.maximumSteps else { throw malformed("it has over \(Self.maximumSteps) steps") }
        for index in steps.indices {
            guard let detail = steps[index].detail else { continue }
            guard detail.utf8.count <= CollectStep.maximumDetailLength else {
                throw malformed("a step's detail is over \(CollectStep.maximumDetailLength) bytes")
            }
            // It may quote a file; that is no reason to hear nothing of the host.
            steps[index].detail = detail.withoutControlCharacters
        }
        guard Set(offers.map(\.artefact)).count == offers.count else { throw malformed("it offers an artefact twice") }
        for offer in offers {
            guard offer.bytes ?? 0 >= 0 else { throw malformed("an offer has fewer than no bytes") }
            guard (offer.origin != nil) == (offer.artefact == .headers) else {
                throw malformed("headers have an origin, and nothing else has")
            }
        }
    }

    private static func sentence(_ error: DecodingError) -> String {
        func place(_ context: DecodingError.Context) -> String {
            context.codingPath.map { $0.intValue.map { "\($0)" } ?? $0.stringValue }.joined(separator: ".")
        }
        return switch error {
        case .keyNotFound(let key, let context):
            "\(([place(context), key.stringValue]).filter { !$0.isEmpty }.joined(separator: ".")) is missing"
        case .typeMismatch(_, let context), .valueNotFound(_, let context), .dataCorrupted(let context):
            context.codingPath.isEmpty ? "it is no JSON object" : "\(place(context)) is none"
        @unknown default: "it can't be read"
        }
    }
}
