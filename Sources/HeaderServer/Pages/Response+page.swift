import HTTPTypes
import Hummingbird
import NIOCore

extension Response {
    /// A page as a browser may take it: nothing runs in it, its style is this server's own, nobody frames it, and it is
    /// asked for again each time.
    static func page(_ view: some PageView, status: HTTPResponse.Status = .ok, to method: HTTPRequest.Method)
        -> Response
    {
        let body = ByteBuffer(string: PageLibrary.html(view))
        return Response(
            status: status,
            headers: [
                .contentType: "text/html; charset=utf-8", .contentLength: "\(body.readableBytes)",
                .cacheControl: "private, no-cache", .contentSecurityPolicy: contentSecurityPolicy,
                .referrerPolicy: "no-referrer", .vary: "Accept, Authorization",
            ], body: method == .head ? .init() : .init(byteBuffer: body))
    }

    private static let contentSecurityPolicy = [
        "default-src 'none'", "style-src 'self'", "img-src 'self'", "form-action 'self'", "base-uri 'none'",
        "frame-ancestors 'none'",
    ].joined(separator: "; ")
}

extension HTTPField.Name {
    static let referrerPolicy = name("Referrer-Policy")
}
