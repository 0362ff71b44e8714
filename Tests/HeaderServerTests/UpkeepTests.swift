import HeaderStore
import KHeaderTestSupport
import KernelHeaders
import OperatorDocuments
import Testing

/// Verify, collect and repack over HTTP.
@Suite struct UpkeepTests {
    @Test func aVerifyGoesOnAfterItsAnswer() async throws {
        let kernel = try StoredKernel(id: 1, revision: 1)
        try await withRunningServer { server in
            try await server.store.put(kernel)
            #expect(try await server.get("/v1/store/verify").decoded(StoreVerification.self).round == 0)
            let answer = try await server.post("/v1/store/verify", "")
            #expect(answer.status == 202)
            let begun = try answer.decoded(StoreVerification.self)
            #expect(begun.round == 1 && begun.isOnDemand && begun.state == .running)
            let ended = try await end(server, "/v1/store/verify") { (progress: StoreVerification) in
                progress.state == .idle
            }
            #expect(ended.round == 1 && ended.files == 1 && ended.found == 0)
            let status = try await server.get("/v1/store").decoded(StoreStatus.self)
            #expect(status.verify == ended && status.damagedKernels == 0 && status.quarantined == 0)
        }
    }

    @Test func aCollectIsTriedAndDone() async throws {
        try await withRunningServer { server in
            try await server.store.put(try StoredKernel(id: 1, revision: 1))
            try await server.store.put(try StoredKernel(id: 2, revision: 2))
            let dry = try await server.post("/v1/store/collect?dryRun=true", "")
            #expect(dry.status == 200)
            let plan = try dry.decoded(StoreCollection.self)
            #expect(plan.isDryRun && plan.trees == 0 && plan.freedBytes == 0)
            #expect(try await server.get("/v1/store/collect").decoded(StoreCollection.self).run == 0)
            let answer = try await server.post("/v1/store/collect", "")
            #expect(answer.status == 202)
            let ended = try await end(server, "/v1/store/collect") { (progress: StoreCollection) in
                progress.state == .idle
            }
            #expect(ended.run == 1 && !ended.isDryRun && ended.failure == nil)
        }
    }

    @Test func aRepackGoesOnAfterItsAnswer() async throws {
        let kernel = try StoredKernel(id: 1, large: 1)
        try await withRunningServer { server in
            try await server.store.put(kernel)
            #expect(try await server.get("/v1/store/repack").decoded(StoreRepacking.self).run == 0)
            let before = try await server.get("/v1/store").decoded(StoreStatus.self)
            #expect(before.loosePacks == 1 && before.loosePackBytes == before.packBytes)
            let metrics = try await server.get("/metrics").text
            #expect(metrics.contains("\nkheaderd_loose_packs 1.0\n"))
            #expect(metrics.contains("\nkheaderd_loose_pack_bytes \(Double(before.packBytes))\n"))
            let answer = try await server.post("/v1/store/repack", "")
            #expect(answer.status == 202)
            let begun = try answer.decoded(StoreRepacking.self)
            #expect(begun.run == 1 && begun.state == .running)
            let ended = try await end(server, "/v1/store/repack") { (progress: StoreRepacking) in
                progress.state == .idle
            }
            #expect(ended.run == 1 && ended.failure == nil && ended.packsRewritten == 1 && ended.packs == 1)
            #expect(ended.bytes == ended.allBytes && ended.allBytes == before.packBytes)
            let status = try await server.get("/v1/store").decoded(StoreStatus.self)
            #expect(status.repack == ended && status.loosePacks == 0 && status.loosePackBytes == 0)
            #expect(status.packBytes == before.packBytes - ended.freedBytes)
            try await server.store.requireWhole(kernel)
        }
    }

    @Test func aDryRunIsYesOrNo() async throws {
        try await withRunningServer { server in
            let answer = try await server.post("/v1/store/collect?dryRun=perhaps", "")
            try expect(answer, refusesWith: .parameterMalformed)
            #expect(try await server.get("/v1/store/collect").decoded(StoreCollection.self).run == 0)
        }
    }

    private func end<Document: Decodable>(
        _ server: RunningServer, _ target: String, _ isDone: (Document) -> Bool
    ) async throws -> Document {
        while true {
            let document = try await server.get(target).decoded(Document.self)
            if isDone(document) { return document }
        }
    }
}
