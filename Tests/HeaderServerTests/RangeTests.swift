import KHeaderTestSupport
import KernelHeaders
import Testing

/// Parts of a bundle (RFC 9110, 14).
@Suite struct RangeTests {
    private static let path = "/buildid/\(TestKernels.id)/headers.tar"

    /// Runs a body with a server and the whole bundle's answer.
    private func withBundle(_ body: (RunningServer, HTTPAnswer) async throws -> Void) async throws {
        try await withRunningServer { server in
            try await server.upload()
            try await body(server, try await server.get(Self.path))
        }
    }

    @Test func oneRange() async throws {
        try await withBundle { server, whole in
            let length = whole.body.count
            let cases: [(String, Range<Int>)] = [
                ("0-0", 0..<1), ("0-99", 0..<100), ("100-199", 100..<200), ("100-", 100..<length),
                ("-100", length - 100..<length), ("0-", 0..<length), ("-\(length)", 0..<length),
                ("-\(length + 1)", 0..<length), ("-99999999999999999999", 0..<length),
                ("\(length - 1)-", length - 1..<length), ("\(length - 1)-\(length + 5)", length - 1..<length),
                ("5-99999999999999999999999", 5..<length), ("0-9,\(length)-", 0..<10), (", 0-9 ,", 0..<10),
                ("\t7-8", 7..<9),
            ]
            for (field, range) in cases {
                let answer = try await server.get(Self.path, "Range: bytes=\(field)")
                #expect(answer.status == 206, "\(field)")
                #expect(answer.body == Array(whole.body[range]), "\(field)")
                #expect(
                    answer["Content-Range"] == "bytes \(range.lowerBound)-\(range.upperBound - 1)/\(length)", "\(field)"
                )
                #expect(answer["Content-Length"] == "\(range.count)", "\(field)")
                #expect(answer["Content-Type"] == "application/x-tar")
                #expect(answer["ETag"] == whole["ETag"])
                // Of the whole, as RFC 9530 has it.
                #expect(answer["Repr-Digest"] == whole["Repr-Digest"])
                #expect(answer["Cache-Control"] == whole["Cache-Control"])
            }
        }
    }

    @Test func severalRanges() async throws {
        try await withBundle { server, whole in
            let length = whole.body.count
            let spaced = (0..<64).map { $0 * 10 }
            let cases: [(String, [Range<Int>])] = [
                ("0-9,20-29", [0..<10, 20..<30]), ("20-29,0-9", [20..<30, 0..<10]),
                ("0-0,-1", [0..<1, length - 1..<length]),
                ("0-9, 10-19 ,\(length)-,30-", [0..<10, 10..<20, 30..<length]),
                // Two that overlap may be asked for.
                ("0-9,5-14", [0..<10, 5..<15]),
                (spaced.map { "\($0)-\($0)" }.joined(separator: ","), spaced.map { $0..<$0 + 1 }),
            ]
            for (field, ranges) in cases {
                let answer = try await server.get(Self.path, "Range: bytes=\(field)")
                #expect(answer.status == 206, "\(field)")
                #expect(answer["Content-Range"] == nil)
                #expect(answer["Content-Length"] == "\(answer.body.count)")
                #expect(answer["ETag"] == whole["ETag"])
                let parts = try MultipartBody(answer).parts
                #expect(parts.map(\.body) == ranges.map { Array(whole.body[$0]) }, "\(field)")
                #expect(parts.allSatisfy { $0.fields["content-type"] == "application/x-tar" })
                #expect(
                    parts.map { $0.fields["content-range"] }
                        == ranges.map { "bytes \($0.lowerBound)-\($0.upperBound - 1)/\(length)" })
            }
        }
    }

    @Test func rangesThatAreNotThere() async throws {
        try await withBundle { server, whole in
            let length = whole.body.count
            for field in ["\(length)-", "\(length)-\(length + 9)", "-0", "99999999999999999999-", "\(length)-,-0"] {
                let answer = try await server.get(Self.path, "Range: bytes=\(field)")
                try expect(answer, refusesWith: .rangeNotSatisfiable)
                #expect(answer["Content-Range"] == "bytes */\(length)")
            }
        }
    }

    @Test func anEmptyFileHasNoRange() async throws {
        try await withRunningServer { server in
            try await server.upload()
            let path = "/buildid/\(TestKernels.id)/source/arch/x86/include/asm/empty.h"
            #expect(try await server.get(path).body.isEmpty)
            for field in ["0-", "-1", "0-0"] {
                let answer = try await server.get(path, "Range: bytes=\(field)")
                try expect(answer, refusesWith: .rangeNotSatisfiable)
                #expect(answer["Content-Range"] == "bytes */0")
            }
        }
    }

    /// What is malformed, unknown or too much is answered as if it had not been there.
    @Test func rangesThatAreIgnored() async throws {
        try await withBundle { server, whole in
            let many = (0...64).map { "\($0 * 10)-\($0 * 10)" }.joined(separator: ",")
            let thousands = (0..<9000).map { "\($0 * 2)-" }.joined(separator: ",")
            for field in [
                "bytes=", "bytes", "bytes=-", "bytes=5-4", "bytes=a-b", "bytes=0-9,x", "bytes=+0-9", "bytes=0x0-9",
                "bytes=0--9", "bytes=0-9-", "bytes=,", "bytes = 0-9", "lines=0-9", "bytes:0-9", "=0-9", "0-9",
                "bytes=\(many)", "bytes=0-,0-,0-", "bytes=0-9,5-14,8-20", "bytes=0-9,0-9,0-9", "bytes=\(thousands)",
                "bytes=-1,-2,-3", "bytes=0-9\u{301}",
            ] {
                let answer = try await server.get(Self.path, "Range: \(field)")
                #expect(answer.status == 200, "\(field.prefix(80))")
                #expect(answer.body == whole.body, "\(field.prefix(80))")
                #expect(answer["Content-Range"] == nil)
            }
        }
    }

    @Test func theUnitIsCaseInsensitive() async throws {
        try await withBundle { server, whole in
            let answer = try await server.get(Self.path, "Range: Bytes=1-2")
            #expect(answer.status == 206)
            #expect(answer.body == Array(whole.body[1..<3]))
        }
    }

    @Test func headHasNoRanges() async throws {
        try await withBundle { server, whole in
            let answer = try await server.head(Self.path, "Range: bytes=0-9")
            #expect(answer.status == 200)
            #expect(answer.lastingFields == whole.lastingFields)
        }
    }

    @Test func rangesOfOtherFiles() async throws {
        try await withRunningServer { server in
            try await server.upload()
            for path in ["manifest.json", "source/include/linux/sched.h"].map({ "/buildid/\(TestKernels.id)/\($0)" }) {
                let whole = try await server.get(path)
                let answer = try await server.get(path, "Range: bytes=3-9")
                #expect(answer.status == 206)
                #expect(answer.body == Array(whole.body[3..<10]))
                let parts = try MultipartBody(try await server.get(path, "Range: bytes=0-1,-1")).parts
                #expect(parts.map(\.body) == [Array(whole.body[..<2]), Array(whole.body.suffix(1))])
            }
        }
    }
}

/// A `multipart/byteranges` body taken apart, with no mercy (RFC 2046, 5.1.1).
struct MultipartBody {
    struct Part {
        /// Names in lower case.
        var fields: [String: String]
        var body: [UInt8]
    }

    let parts: [Part]

    init(_ answer: HTTPAnswer) throws {
        let mark = "multipart/byteranges; boundary="
        let type = try #require(answer["Content-Type"])
        try #require(type.hasPrefix(mark))
        let boundary = Array("\r\n--\(type.dropFirst(mark.count))".utf8)
        var pieces = Self.split(answer.body, at: boundary)[...]
        #expect(pieces.popFirst() == [])
        #expect(pieces.popLast() == Array("--\r\n".utf8))
        parts = try pieces.map { piece in
            try #require(piece.starts(with: [13, 10]))
            let end = try #require(Self.split(Array(piece), at: [13, 10, 13, 10]).first).count
            let lines = String(decoding: piece[2..<end], as: UTF8.self).split(separator: "\r\n")
            let fields = try lines.map { line in
                let colon = try #require(line.firstIndex(of: ":"))
                return (line[..<colon].lowercased(), String(line[line.index(colon, offsetBy: 2)...]))
            }
            return Part(fields: Dictionary(uniqueKeysWithValues: fields), body: Array(piece[(end + 4)...]))
        }
    }

    private static func split(_ bytes: [UInt8], at mark: [UInt8]) -> [[UInt8]] {
        var pieces: [[UInt8]] = []
        var start = 0
        var index = 0
        while index + mark.count <= bytes.count {
            if bytes[index] == mark[0], bytes[index..<index + mark.count].elementsEqual(mark) {
                pieces.append(Array(bytes[start..<index]))
                index += mark.count
                start = index
            } else {
                index += 1
            }
        }
        return pieces + [Array(bytes[start...])]
    }
}
