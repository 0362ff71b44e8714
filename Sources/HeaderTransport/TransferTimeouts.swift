/// How long a transfer may take, in seconds, so that a server that is away, slow or silent makes nobody hang.
public struct TransferTimeouts: Sendable, Equatable {
    /// Until there is a connection.
    public var connect = 10
    /// Without a byte in either direction. A server unpacks an upload, or compresses a bundle for the first time, in
    /// this time.
    public var silence = 120
    /// For all of an exchange of small documents. Uploads and bundles take as long as bytes keep coming.
    public var document = 120

    public init() {}
}
