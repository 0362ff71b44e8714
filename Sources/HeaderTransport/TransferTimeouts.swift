internal import KernelHeaders

/// How long a transfer may take, in seconds, so that a server that is away, slow or silent makes nobody hang.
public struct TransferTimeouts: Sendable, Equatable {
    /// The variable that sets how long a server may be silent, in seconds.
    public static let variable = "KHEADER_TIMEOUT"
    /// The longest that ``variable`` may say: a day.
    static let longest = 24 * 60 * 60
    /// Bytes a second, both directions together, below which a server counts as silent.
    static let lowestSpeed = 1024

    /// Until there is a connection.
    public var connect = 10
    /// Below ``lowestSpeed``. A server unpacks an upload, or compresses a bundle for the first time, in this time.
    public var silence = 120
    /// For all of an exchange of small documents. Uploads and bundles take as long as bytes keep coming.
    public var document = 60

    public init() {}

    /// - Parameter variable: what ``variable`` holds; nil or empty for the standard ones.
    /// - Throws: `Problem` with `parameter-malformed`.
    public init(variable: String?) throws {
        guard let variable, !variable.isEmpty else { return }
        guard let seconds = Int(variable), (1...Self.longest).contains(seconds) else {
            throw Problem(
                .parameterMalformed,
                "\(Self.variable) is '\(variable)': write a number of seconds from 1 to \(Self.longest).")
        }
        connect = min(connect, seconds)
        silence = seconds
        document = seconds
    }
}
