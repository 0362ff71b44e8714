import Glibc
import HTTPTypes
import HeaderStore
import Hummingbird
import KernelHeaders
import NIOCore
import Synchronization

/// The answers that are at hand: hot files and manifests, bundles on disk, that something is unknown, or what is asked for
/// unchanged; and that a host's report says nothing new.
///
/// They are the routes' answers, to a field; but to go through Hummingbird's router, the middlewares and tasks for them
/// costs several times what they do (Tests/Benchmarks). Nothing here reads a file or asks the catalogue; but a bundle is
/// opened, and the file of tokens is looked at once a second, and read when it is another. Whatever is not surely the plain
/// case, refusals first of all, is left to the routes: nil, and nothing was counted.
struct PromptAnswers: Sendable {
    private let store: HeaderStore
    private let access: AccessControl
    private let metrics: MetricsRegistry
    private let sightings: PromptSightings
    private let endings: Endings

    /// - Parameter server: what the field `Server` says.
    init(store: HeaderStore, access: AccessControl, metrics: MetricsRegistry, server: String) {
        self.store = store
        self.access = access
        self.metrics = metrics
        endings = Endings(server: server)
        sightings = PromptSightings(store: store)
        metrics.begin("kheaderd_prompt_answers_total")
    }

    /// What a request may have an answer to, when it is whole.
    enum Question {
        case artefact(Artefact)
        /// From a host that may send it, with so many bytes, at most ``PromptSightings/maximumBytes``.
        case sighting(BuildID, bytes: Int)
    }

    /// Whether the question of a request that came before is still one: from a host that still may send it.
    func isAsked(_ known: KnownRequest) -> Bool {
        if case .sighting = known.question { maySend(known.request.headerFields[.authorization]) } else { true }
    }

    /// Nil if it has none.
    func question(_ request: HTTPRequest) -> Question? {
        switch request.method {
        case .get, .head:
            guard request.headerFields.allSatisfy({ $0.name != .contentLength && Self.isPlain($0) }) else { return nil }
            return request.path.flatMap { Artefact($0) }.map { .artefact($0) }
        case .post:
            guard let id = request.path.flatMap({ PromptSightings.kernel(at: $0) }) else { return nil }
            var length = 0
            var authorization: String?
            for field in request.headerFields {
                switch field.name {
                case .contentLength: length = Int(field.value) ?? 0
                case .contentType where field.value != "application/json": return nil
                case .authorization where authorization == nil: authorization = field.value
                // A browser may not change anything for every page.
                case .authorization, .origin, Self.fetchSite: return nil
                default: guard Self.isPlain(field) else { return nil }
                }
            }
            guard (1...PromptSightings.maximumBytes) ~= length else { return nil }
            // Before the body, as the routes do.
            return maySend(authorization) ? .sighting(id, bytes: length) : nil
        default: return nil
        }
    }

    private func maySend(_ authorization: String?) -> Bool {
        do {
            _ = try access.admit(.post, route: PromptSightings.route, source: nil, authorization: authorization)
            return true
        } catch { return false }
    }

    private static func isPlain(_ field: HTTPField) -> Bool {
        switch field.name {
        // Bodies of unknown length; what the routes or the connection do something else for.
        case .transferEncoding, .expect, .upgrade, traceParent: false
        case .connection: field.value.lowercased() == "keep-alive"
        // A browser gets pages.
        case .accept: field.value == "*/*"
        default: true
        }
    }

    /// Answers, and counts it as ``MetricsMiddleware`` does.
    func answer(_ known: KnownRequest, body: [ByteBuffer]) -> PromptAnswer? {
        let start = ContinuousClock.now
        let artefact: Artefact
        switch known.question {
        case .artefact(let named): artefact = named
        case .sighting(let id, _):
            return (try? sightings.answer(id, body: body)).map {
                complete($0, RequestID().description, PromptSightings.route, start)
            }
        }
        let request = known.request
        let requestID = RequestID().description
        let answer: PromptAnswer
        do {
            _ = try access.admit(
                request.method, route: artefact.route, source: nil, authorization: request.headerFields[.authorization])
            guard let representation = try representation(of: artefact, to: request),
                let found = try known.answer(with: representation)
            else { return nil }
            answer = found
        } catch let problem as Problem where problem.code == .kernelUnknown || problem.code == .fileUnknown {
            answer = known.answer(refusing: problem, requestID: requestID)
        } catch {
            return nil
        }
        return complete(answer, requestID, artefact.route, start)
    }

    private func complete(
        _ answer: PromptAnswer, _ requestID: String, _ route: String, _ start: ContinuousClock.Instant
    ) -> PromptAnswer {
        var answer = answer
        answer.requestID = requestID
        answer.ending = endings.now
        metrics.answered(
            route, answer.head.response.status.code, bytes: answer.body?.length ?? 0,
            after: ContinuousClock.now - start,
            isPrompt: true, counts: answer.counts)
        return answer
    }

    /// Nil if it is not at hand.
    ///
    /// - Throws: `Problem` with `kernel-unknown` or `file-unknown`.
    private func representation(of artefact: Artefact, to request: HTTPRequest) throws -> Representation? {
        let (key, lifetime) = (artefact.key, artefact.key.lifetime)
        if case (.btf, .kernel(let id)) = (artefact.kind, key) { return try store.keptBTF(of: id).map { .btf($0) } }
        guard let tree = try tree(key) else { return nil }
        switch artefact.kind {
        case .bundle(let format):
            if Representation.mayHaveNoBody(to: request), let known = store.knownBundle(of: tree, format: format),
                Representation.hasNoBody(to: request, known.digest)
            {
                return .bundle(.unopened(length: known.length), known.digest, format, of: tree, lifetime)
            }
            return store.keptBundle(of: tree, format: format).map {
                .bundle(.file($0), $0.digest, format, of: tree, lifetime)
            }
        case .manifest: return store.keptManifestDocument(of: tree).map { .manifest($0, of: tree, lifetime) }
        case .source(let path):
            do {
                return try store.keptFile(at: path, in: tree).map { .source($0, at: path, of: tree, lifetime) }
            } catch  where TreeRoutes.pathInHeadersFolder(path) != nil {
                return nil
            }
        case .btf: return nil
        }
    }

    private func tree(_ key: Key) throws -> Digest? {
        switch key {
        case .kernel(let id): try store.keptTree(of: id)
        case .tree(let digest): digest
        }
    }

    private static let traceParent = HTTPField.Name.name(TraceContext.fieldName)
    private static let fetchSite = HTTPField.Name.name("Sec-Fetch-Site")

    enum Key {
        case kernel(BuildID)
        case tree(Digest)

        fileprivate var lifetime: Representation.Lifetime {
            switch self {
            case .kernel: .byBuildID
            case .tree: .byDigest
            }
        }
    }

    /// What a path names, if it does so as plainly as clients do.
    struct Artefact {
        enum Kind {
            case bundle(BundleFormat)
            case manifest
            case source(HeaderPath)
            case btf
        }

        let key: Key
        let kind: Kind
        /// As the router has it.
        let route: String

        private static let kernels = "/buildid/"
        private static let trees = "/trees/"

        /// What there is below a kernel's build ID or a tree's digest, by what a path ends with, with its route.
        private struct Group {
            let source: String
            let named: [String: (kind: Kind, route: String)]

            init(_ prefix: String, btf: String? = nil) {
                source = "\(prefix)source/**"
                var named = ["manifest.json": (Kind.manifest, "\(prefix)manifest.json")]
                for format in BundleFormat.allCases {
                    let name = "headers.\(format.rawValue)"
                    named[name] = (.bundle(format), prefix + name)
                }
                if let btf { named[btf] = (.btf, "\(prefix)section/{section}") }
                self.named = named
            }

            static let ofKernels = Group("/buildid/{buildID}/", btf: "section/\(APIPath.btfSectionName)")
            static let ofTrees = Group("/trees/{treeDigest}/")
        }

        init?(_ path: String) {
            let isOfKernel = path.hasPrefix(Self.kernels)
            guard isOfKernel || path.hasPrefix(Self.trees) else { return nil }
            let rest = path.utf8.dropFirst((isOfKernel ? Self.kernels : Self.trees).utf8.count)
            guard let slash = rest.firstIndex(of: UInt8(ascii: "/")),
                !rest.contains(where: { $0 == UInt8(ascii: "%") || $0 == UInt8(ascii: "?") })
            else { return nil }
            let group: Group
            if isOfKernel {
                guard let id = BuildID(Substring(rest[..<slash])) else { return nil }
                (key, group) = (.kernel(id), .ofKernels)
            } else {
                guard let digest = Digest(Substring(rest[..<slash])) else { return nil }
                (key, group) = (.tree(digest), .ofTrees)
            }
            let name = String(Substring(rest[slash...].dropFirst()))
            if let found = group.named[name] {
                (kind, route) = found
            } else if name.hasPrefix("source/") {
                let rest = Substring(name.utf8.dropFirst("source/".utf8.count))
                guard let path = HeaderPath(String(rest)) else { return nil }
                (kind, route) = (.source(path), group.source)
            } else {
                return nil
            }
        }
    }

    /// Fields that all answers have; `Date` (RFC 9110, 6.6.1) is another once a second.
    private final class Endings: Sendable {
        private let server: String
        private let last = Mutex<(second: time_t, ending: PromptAnswer.Ending)>((-1, PromptAnswer.Ending([:])))

        init(server: String) { self.server = server }

        var now: PromptAnswer.Ending {
            var now = time(nil)
            return last.withLock { last in
                if last.second == now { return last.ending }
                var parts = tm()
                gmtime_r(&now, &parts)
                // Nobody sets a locale here, so that names are English.
                var bytes = [CChar](repeating: 0, count: 64)
                let count = strftime(&bytes, bytes.count, "%a, %d %b %Y %H:%M:%S GMT", &parts)
                let date = String(decoding: bytes[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
                var fields = HTTPFields.ofEveryAnswer
                fields.append(HTTPField(name: .date, value: date))
                fields.append(HTTPField(name: .server, value: server))
                last = (now, PromptAnswer.Ending(fields))
                return last.ending
            }
        }
    }
}
