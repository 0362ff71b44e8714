import HTTPTypes
import HeaderStore
import Hummingbird
import KernelHeaders
import Logging
import OperatorDocuments

/// Which kernels go, by the server's rules or by those of the request.
struct RetentionRoutes<Context: RequestContext> {
    let store: HeaderStore

    func add(to router: Router<Context>) {
        router.post("/v1/retention") { request, context in
            guard let isDryRun = try request.boolean(APIPath.dryRun) else {
                throw Problem(
                    .parameterMalformed, "Say dryRun=true to see what would go, or dryRun=false to remove it.")
            }
            var rules = store.retention
            rules.days = try request.integer("days", in: 1...ServerSettings.longestDays, default: rules.days)
            rules.newest = try request.integer("newest", in: 0...1_000_000, default: rules.newest)
            if let text = request.query("bytes"), !text.isEmpty {
                rules.bytes = try request.integer("bytes", in: 1...Int.max, default: 1)
            }
            let report = try await store.prune(rules, isDryRun: isDryRun)
            if !isDryRun {
                context.logger.notice("kernels removed", metadata: ["count": "\(report.removals.count)"])
            }
            return try Response.json(report)
        }
    }
}
