/// Is told how far a transfer is, in bytes; `total` is nil where the server does not say.
///
/// Called often, on the thread that transfers, and from the start again when a transfer starts again.
public typealias TransferProgress = @Sendable (_ done: Int, _ total: Int?) -> Void

/// What is to be asked of a server.
struct CurlRequest: Sendable {
    /// With its query, as `APIPath` has it.
    var path: String
    /// Further header fields.
    var fields: [(name: String, value: String)] = []
    /// Sent as the body of a PUT; without it the request is a GET.
    var upload: UploadFile?
    /// The longest time for all of it, in seconds; nil for as long as bytes keep coming.
    var seconds: Int?
    /// Of the upload if there is one, of the response's body otherwise.
    var progress: TransferProgress?
}
