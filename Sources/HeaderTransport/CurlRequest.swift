/// Is told how far a transfer is, in bytes; `total` is nil where the server does not say.
///
/// Called often, on the thread that transfers, and from an earlier place again when a transfer starts again.
public typealias TransferProgress = @Sendable (_ done: Int, _ total: Int?) -> Void

/// What is to be asked of a server.
struct CurlRequest: Sendable {
    enum Method: String, Sendable {
        case get = "GET"
        case head = "HEAD"
        case post = "POST"
        case put = "PUT"
        case patch = "PATCH"
        case delete = "DELETE"
    }

    enum Body: Sendable {
        case none
        /// A small one, in memory.
        case document([UInt8])
        /// A file from so many bytes on to its end.
        case file(UploadFile, from: Int)
    }

    var method = Method.get
    /// With its query, as `APIPath` has it.
    var path: String
    /// Further header fields.
    var fields: [(name: String, value: String)] = []
    var body = Body.none
    /// The longest time for all of it, in seconds; nil for as long as bytes keep coming.
    var seconds: Int?
    /// Shown to the server, and to no other that it redirects to.
    var token: AccessToken?
    /// Of the file if one is sent, of the response's body otherwise.
    var progress: TransferProgress?

    /// Whether several servers may be asked side by side: it changes nothing.
    var isQuestion: Bool { method == .get || method == .head }
}
