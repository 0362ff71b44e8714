/// The status and header fields of a response.
struct ResponseHead: Sendable, Equatable {
    /// The HTTP status code; 0 before there is a response.
    private(set) var status = 0
    private(set) var fields: [(name: String, value: String)] = []
    /// The most bytes taken of a head, and of the trailers. curl's own limit is 300 KiB a response.
    static let maximumBytes = 1 << 16
    /// The most heads taken: a server that sends interim ones (1xx) for ever is none to wait for. Each redirect has one,
    /// and may have some before it.
    static let maximumHeads = 64
    private var size = 0
    private var heads = 0

    /// Takes a line as curl hands it over, its line end included.
    ///
    /// A status line starts over: the heads of `100 Continue`, of redirects and of answers to a proxy's challenge come
    /// before that of the response.
    ///
    /// - Returns: false if the head is too long, or one too many.
    mutating func add(line: UnsafeRawBufferPointer) -> Bool {
        let text = String(decoding: line, as: UTF8.self)
        if text.hasPrefix("HTTP/") {
            (size, fields) = (0, [])
            heads += 1
            let words = text.split(whereSeparator: \.isWhitespace)
            status = words.count > 1 ? Int(words[1]) ?? 0 : 0
        }
        guard passOver(line: line), heads <= Self.maximumHeads else { return false }
        if !text.hasPrefix("HTTP/"), let colon = text.utf8.firstIndex(of: UInt8(ascii: ":")) {
            let value = text[text.index(after: colon)...].drop(while: \.isWhitespace)
            fields.append((text[..<colon].lowercased(), Self.withoutTrailingSpace(value)))
        }
        return true
    }

    /// Counts a line that nobody asks for.
    ///
    /// - Returns: false if there are too many.
    mutating func passOver(line: UnsafeRawBufferPointer) -> Bool {
        size += line.count
        return size <= Self.maximumBytes
    }

    /// The value of a field, by its name in lower case; the first one if there are several.
    subscript(name: String) -> String? { fields.first { $0.name == name }?.value }

    /// Bytes of the body, as `Content-Length` says.
    var contentLength: Int? { self["content-length"].flatMap { Int($0) }.flatMap { $0 >= 0 ? $0 : nil } }

    /// The media type, in lower case and without parameters.
    var mediaType: String? {
        self["content-type"].map {
            Self.withoutTrailingSpace($0.prefix { $0 != ";" }).lowercased()
        }
    }

    private static func withoutTrailingSpace(_ text: Substring) -> String {
        var text = text
        while text.last?.isWhitespace == true { text.removeLast() }
        return String(text)
    }

    static func == (one: ResponseHead, other: ResponseHead) -> Bool {
        one.status == other.status && one.fields.elementsEqual(other.fields) { $0 == $1 }
    }
}
