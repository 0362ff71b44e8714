import HTTPTypes
import HeaderStore
import Hummingbird
import KernelHeaders
import OperatorDocuments

/// What the fleet's hosts say: the hosts of a kernel, conflicts, and which kernels run.
struct FleetRoutes<Context: RequestContext> {
    /// The most hosts or conflicts on a page.
    static var maximumPage: Int { 1000 }
    /// How many gaps, releases and conflicts there are unless the request says.
    static var coveragePage: Int { 100 }

    let store: HeaderStore

    func add(to router: Router<Context>) {
        router.get("/v1/kernels/{buildID}/hosts") { request, context in
            let digest = try request.query("digest").flatMap { $0.isEmpty ? nil : $0 }.map { text in
                guard let digest = Digest(text) else {
                    throw Problem(
                        .digestMalformed, "digest has 64 lower-case hexadecimal digits, as \(APIPath.conflicts) has it."
                    )
                }
                return digest
            }
            let limit = try request.integer("limit", in: 1...Self.maximumPage, default: Self.maximumPage)
            return try Response.json(
                try await store.hosts(of: try context.buildID(), digest: digest, after: request.cursor, limit: limit))
        }
        router.get("/v1/kernels/{buildID}/conflicts") { _, context in
            try Response.json(try await store.conflict(of: try context.buildID()))
        }
        router.get("/v1/conflicts") { request, _ in
            let limit = try request.integer("limit", in: 1...Self.maximumPage, default: Self.maximumPage)
            return try Response.json(try await store.conflicts(after: request.cursor, limit: limit))
        }
        router.get("/v1/coverage") { request, _ in
            let limit = try request.integer("limit", in: 1...Coverage.maximumLimit, default: Self.coveragePage)
            return try Response.json(try await store.coverage(limit: limit))
        }
    }
}
