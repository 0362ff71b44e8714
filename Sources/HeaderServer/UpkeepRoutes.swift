import HTTPTypes
import HeaderStore
import Hummingbird
import KernelHeaders
import Logging
import OperatorDocuments

/// What keeps the store well: verify, collect and repack, for operators. They run on after they are answered; how they
/// stand is asked for again.
struct UpkeepRoutes<Context: RequestContext> {
    let store: HeaderStore

    func add(to router: Router<Context>) {
        router.get("/v1/store/verify") { _, _ in try Response.json(store.verification) }
        router.post("/v1/store/verify") { _, context in
            let (progress, isNew) = store.startVerify()
            if isNew { context.logger.info("a verify begins", metadata: ["round": "\(progress.round)"]) }
            return try Response.json(progress, status: .accepted)
        }
        router.get("/v1/store/collect") { _, _ in try Response.json(store.collection) }
        router.post("/v1/store/collect") { request, context in
            if try request.boolean(APIPath.dryRun) == true { return try Response.json(try await store.collectDryRun()) }
            let (progress, isNew) = store.startCollect()
            if isNew { context.logger.info("a collect begins", metadata: ["run": "\(progress.run)"]) }
            return try Response.json(progress, status: .accepted)
        }
        router.get("/v1/store/repack") { _, _ in try Response.json(store.repacking) }
        router.post("/v1/store/repack") { _, context in
            let (progress, isNew) = store.startRepack()
            if isNew { context.logger.info("a repack begins", metadata: ["run": "\(progress.run)"]) }
            return try Response.json(progress, status: .accepted)
        }
    }
}
