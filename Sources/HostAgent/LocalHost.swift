internal import HeaderArchive
internal import HeaderTransport
public import KernelHeaders
public import KernelProbe
internal import Synchronization

/// The host that the agent runs on.
public final class LocalHost: CheckInHost {
    public let identity: HostIdentity
    public let kernel: KernelIdentity
    private let root: String
    private let collector: HeaderCollector
    /// What the survey has hashed need not be hashed again to be sent.
    private let surveyed = Mutex<[Artefact: ArtefactOffer]>([:])

    /// - Parameters:
    ///   - root: where its `/` is.
    ///   - salt: goes into the host's ID.
    ///   - module: the right to load the kernel's module of headers.
    /// - Throws: `ProbeError` if the kernel can't be told; as ``HostIdentity``.
    public init(root: String, salt: String, module: HeaderModuleAccess) throws {
        self.root = root
        kernel = try RunningKernel(root: root).identity
        identity = try HostIdentity(root: root, salt: salt)
        collector = HeaderCollector(kernel: kernel, root: root, module: module)
    }

    public func survey() async throws -> HostSurvey {
        let survey = try await BlockingWork.run { cancellation in
            let headers = try self.collector.survey(check: cancellation.check)
            return HostSurvey(
                steps: headers.steps,
                offers: [headers.offer, try self.btfOffer(cancellation)].compactMap { $0 })
        }
        surveyed.withLock { $0 = Dictionary(survey.offers.map { ($0.artefact, $0) }) { $1 } }
        return survey
    }

    /// What is looked at everywhere, also behind a place that serves: for people.
    public func examine() async throws -> HeaderSurvey {
        try await BlockingWork.run { try self.collector.survey(everywhere: true, check: $0.check) }
    }

    public func collect(_ artefact: Artefact) async throws -> CollectedArtefact {
        try await BlockingWork.run { cancellation in
            switch artefact {
            case .headers: try self.collectHeaders(cancellation)
            case .btf:
                CollectedArtefact(
                    steps: [],
                    found: try HostBTF(root: self.root).map {
                        (try self.file(.btf, $0.contents, name: $0.path, origin: nil, cancellation), nil)
                    })
            }
        }
    }

    private func collectHeaders(_ cancellation: Cancellation) throws -> CollectedArtefact {
        let collection = try collector.collect(check: cancellation.check)
        let found = try collection.headers.map { headers in
            switch headers.contents {
            case .archive(let archive):
                try file(.headers, archive, name: headers.name, origin: headers.origin, cancellation)
            case .folder(let folder):
                try UploadFile(packing: folder, name: headers.name, cancellation: cancellation)
            }
        }
        return CollectedArtefact(
            steps: collection.steps, found: found.flatMap { file in collection.headers.map { (file, $0.origin) } })
    }

    private func file(
        _ artefact: Artefact, _ archive: CollectedArchive, name: String, origin: HeaderOrigin?,
        _ cancellation: Cancellation
    ) throws -> UploadFile {
        let offer = surveyed.withLock { $0[artefact] }
        let isSame = offer?.origin == origin && offer?.bytes == archive.size
        return try UploadFile(
            owning: try archive.descriptor(), name: name,
            known: isSame ? offer?.digest.map { (archive.size, $0) } : nil, cancellation: cancellation)
    }

    /// BTF that is none is not offered: other places may have headers all the same.
    private func btfOffer(_ cancellation: Cancellation) throws -> ArtefactOffer? {
        do {
            return try HostBTF(root: root).map {
                ArtefactOffer(.btf, bytes: $0.bytes, digest: try $0.digest(check: cancellation.check))
            }
        } catch let error where error is Problem || error is SystemCallError {
            return nil
        }
    }
}
