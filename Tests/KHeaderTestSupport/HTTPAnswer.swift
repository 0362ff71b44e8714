internal import FoundationEssentials
internal import Glibc
internal import HeaderArchive
public import KernelHeaders

/// An answer as it came: status, every field in order, the body's bytes with only the transfer coding taken off.
public struct HTTPAnswer: Sendable {
    public let status: Int
    /// The status in words, which may be none.
    public let reason: String
    public let fields: [(name: String, value: String)]
    public let body: [UInt8]
    /// The fields that came behind the body.
    public let trailers: [(name: String, value: String)]

    /// What is not HTTP, or broke off.
    public struct Malformed: Error, CustomStringConvertible {
        public let description: String
    }

    /// A field's value, or nil; the name in any case.
    public subscript(_ name: String) -> String? {
        fields.first { $0.name.lowercased() == name.lowercased() }?.value
    }

    /// The body as text.
    public var text: String { String(decoding: body, as: UTF8.self) }

    /// The body as a document of the API.
    public func decoded<Document: Decodable>(_ type: Document.Type = Document.self) throws -> Document {
        try JSONDecoder().decode(type, from: Data(body))
    }

    /// The body as a problem document, if the media type says so.
    public var problem: Problem? {
        get throws { self["Content-Type"] == Problem.mediaType ? try decoded() : nil }
    }

    init(from reader: inout HTTPAnswerReader, isToHead: Bool) throws {
        let line = try reader.readLine()
        let words = line.split(separator: " ", maxSplits: 2)
        guard words.count >= 2, words[0] == "HTTP/1.1", let status = Int(words[1]) else {
            throw Malformed(description: "no status line: \(line)")
        }
        self.status = status
        reason = words.count > 2 ? String(words[2]) : ""
        let fields = try reader.readFields()
        self.fields = fields
        var trailers: [(name: String, value: String)] = []
        func field(_ name: String) -> String? { fields.first { $0.name.lowercased() == name }?.value }
        if isToHead || status < 200 || status == 204 || status == 304 {
            body = []
        } else if field("transfer-encoding") == "chunked" {
            (body, trailers) = try reader.readChunks()
        } else if let length = field("content-length").flatMap({ Int($0) }) {
            body = try reader.read(length)
        } else {
            body = try reader.readToEnd()
        }
        self.trailers = trailers
    }
}

/// Takes an answer from a socket. Blocks.
struct HTTPAnswerReader {
    let descriptor: CInt
    /// Read from the socket and not asked for yet.
    var pending: [UInt8]

    mutating func readLine() throws -> String {
        var searched = 0
        while true {
            if let end = pending[searched...].firstIndex(of: 10) {
                defer { pending.removeFirst(end + 1) }
                let line = pending[..<end]
                return String(decoding: line.last == 13 ? line.dropLast() : line, as: UTF8.self)
            }
            searched = pending.count
            guard try fill() else { throw HTTPAnswer.Malformed(description: "the connection ended in a line") }
        }
    }

    mutating func read(_ count: Int) throws -> [UInt8] {
        while pending.count < count {
            guard try fill() else {
                throw HTTPAnswer.Malformed(description: "the connection ended after \(pending.count) of \(count) bytes")
            }
        }
        defer { pending.removeFirst(count) }
        return Array(pending[..<count])
    }

    /// Until an empty line.
    mutating func readFields() throws -> [(name: String, value: String)] {
        var fields: [(name: String, value: String)] = []
        while case let line = try readLine(), !line.isEmpty {
            guard let colon = line.firstIndex(of: ":") else {
                throw HTTPAnswer.Malformed(description: "no field: \(line)")
            }
            fields.append((String(line[..<colon]), String(line[line.index(after: colon)...].drop { $0 == " " })))
        }
        return fields
    }

    mutating func readChunks() throws -> (body: [UInt8], trailers: [(name: String, value: String)]) {
        var body: [UInt8] = []
        while true {
            let line = try readLine()
            guard let size = Int(line, radix: 16) else { throw HTTPAnswer.Malformed(description: "no chunk: \(line)") }
            if size == 0 { return (body, try readFields()) }
            body += try read(size)
            let end = try readLine()
            guard end.isEmpty else { throw HTTPAnswer.Malformed(description: "no end of a chunk: \(end)") }
        }
    }

    mutating func readToEnd() throws -> [UInt8] {
        while try fill() {}
        defer { pending = [] }
        return pending
    }

    /// False at the end of the connection.
    private mutating func fill() throws -> Bool {
        var count = 0
        let piece = [UInt8](unsafeUninitializedCapacity: 1 << 16) { space, filled in
            count = recv(descriptor, space.baseAddress, space.count, 0)
            filled = max(count, 0)
        }
        if count < 0, errno == ECONNRESET { return false }
        try SystemCallError.check("recv", nil) { count }
        pending += piece
        return count > 0
    }
}
