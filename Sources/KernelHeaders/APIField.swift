/// Names of HTTP fields that are this API's own, or debuginfod's.
public enum APIField {
    /// In answers that are made of a tree: its digest, in hexadecimal. Who unpacks a bundle can check what came out of it
    /// without a second request.
    public static let tree = "Kheaderd-Tree"
    /// In answers that are a PCH, or of one: its key, in hexadecimal.
    public static let pchKey = "Kheaderd-PCH-Key"

    /// debuginfod's fields (elfutils, `debuginfod(8)`). Of an answer: bytes of the whole file, whatever part is sent.
    public static let debuginfodSize = "X-DEBUGINFOD-SIZE"
    /// Of an answer: the file's name, without folders.
    public static let debuginfodFile = "X-DEBUGINFOD-FILE"
    /// Of a request: the most bytes that the client takes. A larger file is refused with 406.
    public static let debuginfodMaximumSize = "X-DEBUGINFOD-MAXSIZE"

    /// In an upload: the claim that the answer to a sighting gave.
    public static let claim = "Kheaderd-Claim"

    /// Fields of draft-ietf-httpbis-resumable-upload: `?1` if the request's body reaches to the end of the upload; the
    /// bytes before that body; all bytes; the draft's version that is spoken (``uploadInteropVersion``).
    public static let uploadComplete = "Upload-Complete"
    public static let uploadOffset = "Upload-Offset"
    public static let uploadLength = "Upload-Length"
    public static let uploadLimit = "Upload-Limit"
    public static let uploadDraftInterop = "Upload-Draft-Interop-Version"
    /// That of the draft's versions 05 and later.
    public static let uploadInteropVersion = "6"
    /// The media type of a part that is sent with PATCH.
    public static let partialUploadType = "application/partial-upload"
}
