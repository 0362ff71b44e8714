/// The status and header fields of a response.
struct ResponseHead: Sendable, Equatable {
    /// The HTTP status code; 0 before there is a response.
    private(set) var status = 0
    private(set) var fields: [(name: String, value: String)] = []
    /// The most bytes of fields taken. curl's own limit is 300 KiB a response.
    static let maximumBytes = 1 << 16
    private var size = 0

    /// Takes a line as curl hands it over, its line end included.
    ///
    /// A status line starts over: the heads of `100 Continue`, of redirects and of answers to a proxy's challenge come
    /// before that of the response.
    ///
    /// - Returns: false if the head is too long.
    mutating func add(line: UnsafeRawBufferPointer) -> Bool {
        let text = String(decoding: line, as: UTF8.self)
        if text.hasPrefix("HTTP/") {
            self = ResponseHead()
            let words = text.split(whereSeparator: \.isWhitespace)
            status = words.count > 1 ? Int(words[1]) ?? 0 : 0
        } else if let colon = text.utf8.firstIndex(of: UInt8(ascii: ":")) {
            size += line.count
            guard size <= Self.maximumBytes else { return false }
            let value = text[text.index(after: colon)...].drop(while: \.isWhitespace)
            fields.append((text[..<colon].lowercased(), Self.withoutTrailingSpace(value)))
        }
        return true
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
