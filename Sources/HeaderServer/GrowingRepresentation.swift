import HTTPTypes
import HeaderStore
import Hummingbird
import KernelHeaders
import NIOCore

/// A file that is sent while it is being made.
///
/// Its length and digest are known at the end: it goes out in chunks, and `ETag` and `Repr-Digest` follow as trailers, as
/// RFC 9110 (8.8.3) and RFC 9530 have it. No cache may keep such an answer: many drop trailers, and whoever had it from them
/// would never learn the digest. Who needs one of them before is answered by ``Representation`` when the file is whole. If it
/// can't be finished, the connection breaks: an answer that ends is whole.
struct GrowingRepresentation {
    let file: GrowingFile
    let mediaType: String
    /// Without folders, for debuginfod's clients.
    let fileName: String
    /// The digest of the tree that it is made of.
    let tree: Digest

    /// What can't be answered without length or digest.
    private static let waiting: [HTTPField.Name] = [
        .range, .ifRange, .ifMatch, .ifNoneMatch, .debuginfodMaximumSize, .wantReprDigest,
    ]

    /// Whether an answer to the request can do without them.
    static func fits(_ request: Request) -> Bool {
        request.method == .get && !waiting.contains { request.headers[$0] != nil }
    }

    func response(over channel: any Channel) -> Response {
        let headers: HTTPFields = [
            .contentType: mediaType, .cacheControl: "no-store", .acceptRanges: "bytes", .debuginfodFile: fileName,
            .tree: "\(tree)", .trailer: "ETag, Repr-Digest",
        ]
        return Response(
            status: .ok, headers: headers,
            body: ResponseBody { [file] writer in
                var sent = 0
                while true {
                    let progress = try await file.progress(beyond: sent)
                    try await progress.file.write(sent..<progress.length, to: &writer, over: channel)
                    sent = progress.length
                    guard let whole = progress.whole else { continue }
                    return try await writer.finish([
                        .eTag: "\"\(whole.digest)\"", .reprDigest: "sha-256=:\(whole.digest.base64):",
                    ])
                }
            })
    }
}
