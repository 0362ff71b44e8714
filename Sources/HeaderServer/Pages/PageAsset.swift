import HeaderArchive
import KernelHeaders

/// A file that pages refer to, with its digest in its path: it can be kept for ever.
struct PageAsset: Sendable {
    let name: String
    let mediaType: String
    let bytes: [UInt8]
    let digest: Digest

    static let style = PageAsset("style", "css", "text/css; charset=utf-8", PageStyle.text)
    static let icon = PageAsset("icon", "svg", "image/svg+xml", iconText)
    static let all = [style, icon]

    var path: String { "/assets/\(name)" }

    private init(_ stem: String, _ type: String, _ mediaType: String, _ text: String) {
        bytes = Array(text.utf8)
        digest = SHA256Hash.digest(of: bytes)
        name = "\(stem)-\("\(digest)".prefix(16)).\(type)"
        self.mediaType = mediaType
    }

    /// A stack of headers.
    private static let iconText = """
        <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><rect width="16" height="16" rx="3.5" fill="#0b5fa5"/>\
        <path d="M3.5 5h9M3.5 8h6.5M3.5 11h9" stroke="#fff" stroke-width="1.6" stroke-linecap="round"/></svg>

        """
}
