import FoundationEssentials
import HeaderArchive
import KHeaderTestSupport
import KernelHeaders
import Testing

/// What agents send.
enum TestSightings {
    /// A host with an ID that is this number, many times.
    static func host(_ number: UInt8) -> HostID {
        guard let host = HostID(bytes: [UInt8](repeating: number, count: HostID.length)) else { fatalError("no host") }
        return host
    }

    static func sighting(
        host number: UInt8 = 1, of id: String = TestKernels.id, boot: String = "boot-1",
        steps: [CollectStep] = [CollectStep(.sysfs, .usable)], offers: [ArtefactOffer] = []
    ) -> Sighting {
        guard let id = BuildID(id) else { fatalError("no build ID") }
        return Sighting(
            host: host(number), bootID: boot, agent: "test/1", kernel: KernelIdentity(buildID: id, release: "6.1.0"),
            steps: steps, offers: offers)
    }

    static func json(
        host: UInt8 = 1, of id: String = TestKernels.id, boot: String = "boot-1",
        steps: [CollectStep] = [CollectStep(.sysfs, .usable)], offers: [ArtefactOffer] = []
    ) -> String {
        json(sighting(host: host, of: id, boot: boot, steps: steps, offers: offers))
    }

    static func json(_ sighting: Sighting) -> String {
        String(decoding: (try? JSONEncoder().encode(sighting)) ?? Data(), as: UTF8.self)
    }

    /// An offer of the kernel's own archive.
    static func offer(_ archive: [UInt8]?, _ origin: HeaderOrigin = .sysfs) -> ArtefactOffer {
        ArtefactOffer(
            .headers, origin: origin, bytes: archive?.count, digest: archive.map { SHA256Hash.digest(of: $0) })
    }
}

extension RunningServer {
    func post(_ target: String, _ body: String, _ fields: String...) async throws -> HTTPAnswer {
        try await request("POST", target, fields, body: Array(body.utf8))
    }

    /// Reports as an agent does.
    ///
    /// - Returns: the verdict of the one offer.
    func report(
        _ offer: ArtefactOffer, host: UInt8, of id: String = TestKernels.id,
        sourceLocation: SourceLocation = #_sourceLocation
    ) async throws -> ArtefactVerdict {
        let answer = try await post(
            "/v1/kernels/\(id)/sightings", TestSightings.json(host: host, of: id, offers: [offer]))
        try #require(answer.status == 200, "\(answer.text)", sourceLocation: sourceLocation)
        return try #require(try answer.decoded(SightingAnswer.self).verdicts.first, sourceLocation: sourceLocation)
    }
}
