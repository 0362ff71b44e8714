public import HeaderTransport
public import KernelHeaders

/// No source had a kernel's headers, or BTF: what each of them said.
public struct HeadersMissing: Error, CustomStringConvertible, ExitStatusProviding {
    /// A source, and why it gave nothing.
    public struct Failure: Sendable {
        public let source: HeaderFinder.Source
        public let reason: String
        let exitStatus: ExitStatus

        init(_ source: HeaderFinder.Source, _ reason: String, _ exitStatus: ExitStatus = .notFound) {
            self.source = source
            self.reason = reason
            self.exitStatus = exitStatus
        }
    }

    /// The stable code, as ``ProblemCode`` has them for refusals.
    public static let code = "headers-not-found"

    public let artefact: CacheEntry.Artefact
    public let buildID: BuildID
    public let failures: [Failure]

    /// A server that could not be asked, or refused, says more than a file that is not there.
    public var exitStatus: ExitStatus { failures.map(\.exitStatus).first { $0 != .notFound } ?? .notFound }

    public var description: String {
        let what = artefact == .headers ? "headers of the kernel \(buildID) are" : "BTF of the kernel \(buildID) is"
        let reasons = failures.map { "\n  \($0.source.rawValue): \($0.reason)" }.joined()
        return "The \(what) not to be had here (\(Self.code)):\(reasons)"
    }
}
