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

    /// What a close look at every place finds, for people. Changes nothing.
    public func examine() async throws -> [CollectStep] {
        try await BlockingWork.run { try self.collector.examine(check: $0.check) }
    }

    public func collect(_ artefact: Artefact) async throws -> CollectedArtefact {
        try await BlockingWork.run { cancellation in
            switch artefact {
            case .headers: try self.collectHeaders(cancellation)
            case .btf: try self.collectBTF(cancellation)
            }
        }
    }

    private func collectHeaders(_ cancellation: Cancellation) throws -> CollectedArtefact {
        let collection = try collector.collect(check: cancellation.check)
        guard let headers = collection.headers else { return CollectedArtefact(steps: collection.steps, found: nil) }
        do {
            let file =
                switch headers.contents {
                case .archive(let archive):
                    try file(.headers, archive, name: headers.name, origin: headers.origin, cancellation)
                case .folder(let folder):
                    try UploadFile(packing: folder, name: headers.name, cancellation: cancellation)
                }
            return CollectedArtefact(steps: collection.steps, found: (file, headers.origin))
        } catch let error where Self.isOfTheHost(error) {
            // Found, and then it could not be read to its end, or packed.
            let steps = collection.steps.map {
                $0.origin == headers.origin ? CollectStep($0.origin, .unreadable, "\(error)") : $0
            }
            return CollectedArtefact(steps: steps, found: nil)
        }
    }

    private func collectBTF(_ cancellation: Cancellation) throws -> CollectedArtefact {
        do {
            return CollectedArtefact(
                steps: [],
                found: try HostBTF(root: root).map {
                    (try file(.btf, $0.contents, name: $0.path, origin: nil, cancellation), nil)
                })
        } catch let error where Self.isOfTheHost(error) {
            return CollectedArtefact(steps: [], found: nil)
        }
    }

    /// An error of the files, not of the work that was to read them.
    private static func isOfTheHost(_ error: any Error) -> Bool { error is Problem || error is SystemCallError }

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
        } catch let error where Self.isOfTheHost(error) {
            return nil
        }
    }
}
