public import HeaderTransport
public import KernelHeaders
internal import OperatorDocuments

/// Which kernels have a release: the servers' list, the cache and the running kernel know some.
///
/// A release is a label that several kernels may share, so it is taken for one of them only if it names just one.
public struct ReleaseChoice: Sendable {
    /// A release does not name one kernel.
    public enum Failure: Error, Equatable, CustomStringConvertible, ExitStatusProviding {
        case unknown(String)
        case ambiguous(String, [KernelIdentity])

        public var code: String {
            switch self {
            case .unknown: "release-unknown"
            case .ambiguous: "release-ambiguous"
            }
        }

        public var exitStatus: ExitStatus {
            switch self {
            case .unknown: .notFound
            case .ambiguous: .failed
            }
        }

        public var description: String {
            switch self {
            case .unknown(let release):
                return "No server, nor this host, knows a kernel of the release \(release). "
                    + "'kheader kernels list' shows those that the servers know. (\(code))"
            case .ambiguous(let release, let kernels):
                let list = kernels.map { "\n  --build-id \($0.buildID)  \($0.versionLine ?? "")" }.joined()
                return "\(kernels.count) kernels have the release \(release). Say which (\(code)):\(list)"
            }
        }
    }

    private let client: HeaderServerClient
    private let cache: HeaderCache?
    private let running: KernelIdentity?

    public init(client: HeaderServerClient, cache: HeaderCache?, running: KernelIdentity?) {
        self.client = client
        self.cache = cache
        self.running = running
    }

    /// - Throws: ``Failure``; what `HeaderServerClient` throws, if no server answered and this host knows no such kernel.
    public func kernel(release: String) async throws -> BuildID {
        var found = [running].compactMap { $0 } + ((try? cache?.list()) ?? []).compactMap { $0.stamp?.identity }
        found.removeAll { $0.release != release }
        do {
            var query = KernelQuery()
            query.release = release
            query.hasHeaders = true
            found += try await client.allKernels(query).map(\.identity).filter { $0.release == release }
        } catch  where !(error is CancellationError) && !found.isEmpty {
            cache?.notice("\(error) Only what this host knows was looked through.")
        }
        var kernels: [BuildID: KernelIdentity] = [:]
        for identity in found { kernels[identity.buildID] = identity }
        guard let first = kernels.first?.key else { throw Failure.unknown(release) }
        guard kernels.count == 1 else {
            throw Failure.ambiguous(release, kernels.values.sorted { $0.buildID < $1.buildID })
        }
        return first
    }
}
