import HTTPTypes
import HeaderStore
import Hummingbird
import KernelHeaders
import OperatorDocuments

/// The pages for people: read-only, and without anything that runs in the browser. What they show is what the API answers;
/// who changes something does it with `kheader`.
struct PageRoutes {
    typealias Context = ServerRequestContext

    /// How much of a list a page shows that is not the page's own.
    private static let excerpt = 5
    private static let hosts = 10
    private static let suggestions = 100
    private static let gaps = 200

    let store: HeaderStore
    let pch: PCHService

    func add(to router: Router<Context>) {
        router.get("/", use: fleet)
        router.get("/kernels/{buildID}", use: kernel)
        router.get("/coverage", use: coverage)
        router.get("/assets/{name}", use: asset)
    }

    /// Whether a browser shows what a route answers, and asks its user for a token if there has to be one.
    static func isPage(_ route: String?) -> Bool {
        switch route {
        case "/", "/kernels/{buildID}", "/coverage": true
        default: false
        }
    }

    @Sendable private func fleet(_ request: Request, _ context: Context) async throws -> Response {
        let query = try FleetQuery(request.ofForm, now: store.now)
        let documents = FleetView.Documents(
            query: query, list: try await store.kernels(query.query),
            coverage: try await store.coverage(limit: Self.excerpt), status: try await store.status(),
            freeRatio: try store.freeRatio(), builds: await pch.figures, now: store.now)
        return .page(FleetView(documents), to: request.method)
    }

    @Sendable private func coverage(_ request: Request, _ context: Context) async throws -> Response {
        .page(CoverageView(try await store.coverage(limit: Self.gaps)), to: request.method)
    }

    @Sendable private func kernel(_ request: Request, _ context: Context) async throws -> Response {
        let id = try context.buildID()
        let detail = try await store.detail(of: id)
        var similar = KernelQuery(sort: .lastSeen, limit: Self.suggestions)
        similar.hasHeaders = true
        let documents = KernelView.Documents(
            detail: detail, hosts: try await store.hosts(of: id, limit: Self.hosts),
            others: try await store.kernels(similar).kernels, comparison: try await compare(detail.entry, request),
            server: Self.address(request), now: store.now)
        return .page(KernelView(documents), to: request.method)
    }

    /// What the form asks to compare a kernel with; nil if it asks nothing. That it makes no sense is said on the page.
    private func compare(_ kernel: KernelEntry, _ request: Request) async throws -> KernelView.Comparison? {
        guard let item = request.ofForm.query("compare"), !item.isEmpty, let headers = kernel.headers else {
            return nil
        }
        let text = item.filter { $0 != " " }.lowercased()
        do {
            let other = try await store.detail(of: try BuildID(checking: text)).entry
            guard let others = other.headers else {
                throw Problem(.kernelHasNoHeaders, "This server has no headers of \(text) to compare with.")
            }
            let old = try await store.manifest(of: headers.treeDigest)
            let difference = try await store.manifest(of: others.treeDigest) { TreeDifference(from: old, to: $0) }
            return KernelView.Comparison(text: text, result: .success((other, difference)))
        } catch let problem as Problem where problem.status < 500 {
            return KernelView.Comparison(text: item, result: .failure(problem))
        }
    }

    @Sendable private func asset(_ request: Request, _ context: Context) async throws -> Response {
        let name = try context.parameters.require("name")
        guard let asset = PageAsset.all.first(where: { $0.name == name }) else {
            throw Problem(.routeUnknown, "There is no such file. A page of this server names those that there are.")
        }
        return try Representation(
            contents: .memory(asset.bytes), mediaType: asset.mediaType, digest: asset.digest, lifetime: .byDigest,
            fileName: asset.name
        ).response(to: request, over: context.channel)
    }

    /// Where the browser found this server, for commands. It says so itself, and it alone reads the answer; what is no
    /// host's name is not taken for one.
    private static func address(_ request: Request) -> String {
        let host = request.head.authority ?? ""
        let isName =
            !host.isEmpty && host.utf8.count <= 255
            && host.unicodeScalars.allSatisfy {
                $0.isASCII && ($0.properties.isAlphabetic || "0123456789.-:[]".unicodeScalars.contains($0))
            }
        let isTLS = request.headers[.forwardedProto] == "https"
        return isName ? "\(isTLS ? "https" : "http")://\(host)" : "http://SERVER:8003"
    }
}

extension Request {
    /// The same with `+` in its query as what browsers mean by it, which the API does not: a space.
    fileprivate var ofForm: Request {
        var head = head
        guard let path = head.path, let mark = path.firstIndex(of: "?") else { return self }
        head.path = String(path[..<mark]) + String(path[mark...].replacing("+", with: "%20"))
        return Request(head: head, body: body)
    }
}

extension HTTPField.Name {
    fileprivate static let forwardedProto = name("X-Forwarded-Proto")
}
