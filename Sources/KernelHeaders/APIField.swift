/// Names of HTTP fields that are this API's own, or debuginfod's.
public enum APIField {
    /// In answers that are made of a tree: its digest, in hexadecimal. Who unpacks a bundle can check what came out of it
    /// without a second request.
    public static let tree = "Kheaderd-Tree"

    /// debuginfod's fields (elfutils, `debuginfod(8)`). Of an answer: bytes of the whole file, whatever part is sent.
    public static let debuginfodSize = "X-DEBUGINFOD-SIZE"
    /// Of an answer: the file's name, without folders.
    public static let debuginfodFile = "X-DEBUGINFOD-FILE"
    /// Of a request: the most bytes that the client takes. A larger file is refused with 406.
    public static let debuginfodMaximumSize = "X-DEBUGINFOD-MAXSIZE"
}
