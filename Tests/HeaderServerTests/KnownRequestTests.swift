import HTTPTypes
import HeaderStore
import HummingbirdCore
import KHeaderTestSupport
import KernelHeaders
import Logging
import NIOCore
import NIOEmbedded
import NIOHTTP1
import NIOHTTPTypes
import Testing

@testable import HeaderServer

/// What goes past the decoder is what the decoder makes of the same bytes, wherever reads end and whatever came before.
@Suite struct KnownRequestTests {
    private static let id = String(repeating: "0a", count: 20)

    /// Behind the codec: what came, bodies as one, and that it was no HTTP.
    private final class Collector: ChannelInboundHandler {
        typealias InboundIn = HTTPRequestPart

        enum Part: Equatable {
            case head(HTTPRequest)
            case body([UInt8])
            case end
            case error
        }

        var parts: [Part] = []

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            defer { context.fireChannelRead(data) }
            switch unwrapInboundIn(data) {
            case .head(let request): parts.append(.head(request))
            case .body(let buffer):
                let bytes = Array(buffer.readableBytesView)
                if case .body(let before)? = parts.last {
                    parts[parts.count - 1] = .body(before + bytes)
                } else {
                    parts.append(.body(bytes))
                }
            case .end: parts.append(.end)
            }
        }

        func errorCaught(context: ChannelHandlerContext, error: any Error) { parts.append(.error) }
    }

    /// In front of the decoder: how many reads it had to take.
    private final class Reads: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        var count = 0

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            count += 1
            context.fireChannelRead(data)
        }
    }

    private struct Connection {
        let channel = EmbeddedChannel()
        let reads = Reads()
        let collector = Collector()

        init(_ known: KnownRequests?) throws {
            let codec = RequestCodec()
            let decoder = ByteToMessageHandler(HTTPRequestDecoder(leftOverBytesStrategy: .dropBytes))
            try channel.pipeline.syncOperations.addHandlers([decoder, codec, collector])
            try channel.pipeline.syncOperations.addHandler(reads, position: .first)
            if let known {
                let answering = PromptAnswerHandler(known.answers)
                let handler = KnownRequestHandler(known, codec: codec, answering: answering)
                try channel.pipeline.syncOperations.addHandler(answering, position: .after(collector))
                try channel.pipeline.syncOperations.addHandler(handler, position: .first)
            }
        }

        func take(_ reads: [[UInt8]]) -> [Collector.Part] {
            for read in reads { channel.pipeline.fireChannelRead(ByteBuffer(bytes: read)) }
            return collector.parts
        }
    }

    private func withKnownRequests(_ body: (KnownRequests) throws -> Void) throws {
        try withTemporaryFolder { folder in
            let store = try HeaderStore(folder: folder.path("store"))
            let answers = PromptAnswers(store: store, access: .open, metrics: MetricsRegistry(), server: "x")
            try body(KnownRequests(answers))
            try store.close()
        }
    }

    private static func get(_ path: String = "/buildid/\(id)/manifest.json", _ more: String = "") -> String {
        "GET \(path) HTTP/1.1\r\nHost: x\r\n\(more)\r\n"
    }

    private static func post(_ body: String, length: Int? = nil) -> String {
        "POST /v1/kernels/\(id)/sightings HTTP/1.1\r\nHost: x\r\nContent-Length: \(length ?? body.utf8.count)\r\n\r\n\(body)"
    }

    /// Whole requests, parts of them, and what is none; what begins or ends as another does.
    private static let pieces: [String] = [
        get(), get(), get("/buildid/\(id)/headers.tar.zst", "If-None-Match: \"x\"\r\n"), "HEAD" + get().dropFirst(3),
        get("/livez"), get("/buildid/\(id)/manifest.json", "Connection: close\r\n"), post("{\"host\": 1}"),
        post("\r\n\r\n"), post(get()), post("ab", length: 4), post("abcd", length: 2), post(""), "ab", "\r\n", "\n",
        get().replacing("\r\n", with: "\n"), get() + get(), get() + "GET /bu", "ildid/x HTTP/1.1\r\n\r\n",
        get().replacing("HTTP/1.1", with: "HTTP/1.0"), "\r\n" + get(), "no HTTP\r\n\r\n", String(get().dropLast(2)),
        get("/buildid/\(id)/manifest.json", "Transfer-Encoding: chunked\r\n"), "2\r\nab\r\n0\r\n\r\n",
        get().replacing("Host: x\r\n", with: "Host: x\n"), get("/buildid/\(id)/manifest.json", "Upgrade: x\r\n"),
        get("/buildid/\(id)/manifest.json", "Connection: upgrade\r\nUpgrade: websocket\r\n"),
        get("/buildid/\(id)/manifest.json", "Content-Length: 2\r\n"), get() + "\r\n",
        get("/buildid/\(id)/manifest.json", "Connection: keep-alive\r\n"),
        get("/buildid/\(id)/manifest.json", "Connection: keep-alive\r\n").replacing("HTTP/1.1", with: "HTTP/1.0"),
        get("/buildid/\(id)/manifest.json", "X: a\r\n b\r\n"),
        post("ab").replacing("Content", with: "Content-Length: 2\r\nContent"),
    ]

    @Test func theyAreWhatTheDecoderMakesOfThem() throws {
        try withKnownRequests { known in
            var random = SeededGenerator(seed: 7)
            var saved = 0
            for _ in 0..<4_000 {
                var reads = (0..<Int.random(in: 1...8, using: &random)).map { _ in
                    Array(Self.pieces.randomElement(using: &random)?.utf8 ?? "".utf8)
                }
                // Cut once more, anywhere, or two of them in one read.
                let index = reads.indices.randomElement(using: &random) ?? 0
                switch Int.random(in: 0..<4, using: &random) {
                case 0:
                    let cut = Int.random(in: 0...reads[index].count, using: &random)
                    let (one, other) = (reads[index][..<cut], reads[index][cut...])
                    reads.replaceSubrange(index...index, with: [Array(one), Array(other)])
                case 1 where index > 0:
                    reads.replaceSubrange(index - 1...index, with: [reads[index - 1] + reads[index]])
                default: break
                }
                reads.removeAll { $0.isEmpty }
                let (plain, own) = (try Connection(nil), try Connection(known))
                let expected = plain.take(reads)
                let taken = own.take(reads)
                #expect(taken == expected, "\(reads.map { String(decoding: $0, as: UTF8.self) })")
                saved += reads.count - own.reads.count
                _ = try? plain.channel.finish(acceptAlreadyClosed: true)
                _ = try? own.channel.finish(acceptAlreadyClosed: true)
            }
            // Most are not whole, or come behind what is not.
            #expect(saved > 1_000)
        }
    }

    /// What looks like a report is the end of one, and the beginning of another.
    @Test func theEndOfABodyIsNoHead() throws {
        try withKnownRequests { known in
            func head(_ length: Int) -> String { Self.post("", length: length) }
            let length = (1...200).first { head($0).utf8.count == $0 } ?? 0
            let padding = String(repeating: "x", count: length - Self.get(more: "X: \r\n").utf8.count)
            let report = Self.get(more: "X: \(padding)\r\n")
            #expect(report.utf8.count == length)
            try Self.ask(report, known)
            let reads = [head(5), "x\r\n\r\n" + head(length), report].map { Array($0.utf8) }
            let (plain, own) = (try Connection(nil), try Connection(known))
            #expect(plain.take(reads) == own.take(reads))
            #expect(own.reads.count == 3)
            _ = try? plain.channel.finish()
            _ = try? own.channel.finish()
        }
    }

    /// As connections have it.
    @Test func aServersConnectionsKnowThem() throws {
        try withKnownRequests { known in
            let reads = try [1, 2].map { _ in
                let (channel, reads) = (EmbeddedChannel(), Reads())
                let base = HTTP1Channel { _, _, _ in throw CancellationError() }
                let setup = PromptChannel(base: base, requests: known).setup(
                    channel: channel, logger: Logger(label: "test"))
                channel.embeddedEventLoop.run()
                _ = try setup.wait()
                let decoder = try channel.pipeline.syncOperations.context(
                    handlerType: ByteToMessageHandler<HTTPRequestDecoder>.self
                ).handler
                try channel.pipeline.syncOperations.addHandler(reads, position: .before(decoder))
                try channel.writeInbound(ByteBuffer(string: Self.get()))
                let answer = try #require(try channel.readOutbound(as: ByteBuffer.self))
                #expect(String(buffer: answer).hasPrefix("HTTP/1.1 404 Not Found\r\n"))
                _ = try? channel.finish()
                return reads.count
            }
            #expect(reads == [1, 0])
        }
    }

    @Test func whatIsKnownIsAnsweredTheSameAgain() throws {
        let request = try #require(
            PromptAnswers.Artefact("/buildid/\(Self.id)/source/a.h").map { PromptAnswers.Question.artefact($0) })
        let head = HTTPRequest(method: .get, scheme: "http", authority: "x", path: "/")
        let known = KnownRequest(head, request)
        // The detail has the second ID, and the first one's place is that of the third.
        let ids = ["0123456789abcdef", "aaaaaaaaaaaaaaaa", "fedcba9876543210", "0123456789abcdef0"]
        let problem = Problem(.fileUnknown, "no aaaaaaaaaaaaaaaa")
        for id in ids + ids {
            var named = problem
            named.requestID = id
            let answer = known.answer(refusing: problem, requestID: id)
            guard case .bytes(let body)? = answer.body else { throw CancellationError() }
            #expect(Array(body.readableBytesView) == named.json)
            #expect(answer.head.response.headerFields[.contentLength] == "\(named.json.count)")
        }
        // Of another path, or of another tree.
        let other = Problem(.kernelUnknown, "no such kernel")
        guard case .bytes(let body)? = known.answer(refusing: other, requestID: ids[0]).body else {
            throw CancellationError()
        }
        #expect(String(buffer: body).contains("no such kernel"))
        let contents: [[UInt8]] = [[1, 2, 3], [1, 2, 3], [4, 5, 6, 7]]
        let trees = [1, 2, 2].map { Digest(of: [$0]) }
        for (bytes, tree) in zip(contents + contents, trees + trees) {
            let representation = Representation.source(
                (bytes, Digest(of: bytes)), at: try #require(HeaderPath("a.h")), of: tree, .byBuildID)
            for _ in 1...2 {
                let answer = try #require(try known.answer(with: representation))
                let expected = try #require(try representation.promptAnswer(to: head)).answer
                #expect(answer.head.response == expected.head.response)
                guard case .bytes(let body)? = answer.body else { throw CancellationError() }
                #expect(Array(body.readableBytesView) == bytes)
            }
        }
    }

    @Test func whatCameBeforeIsNotDecoded() throws {
        try withKnownRequests { known in
            let requests = [Self.get(), "HEAD" + Self.get().dropFirst(3), Self.post("{}"), Self.post("ab")]
            // The last has the head of the one before.
            for (connection, reads) in [(1, 3), (2, 0)] {
                let own = try Connection(known)
                _ = own.take(requests.map { Array($0.utf8) })
                #expect(own.reads.count == reads, "\(connection)")
                #expect(own.collector.parts.count == 2 + 2 + 3 + 3)
                _ = try own.channel.finish()
            }
        }
    }

    @Test func itIsSureAgainBehindAnyRequest() throws {
        try withKnownRequests { known in
            let own = try Connection(known)
            let requests = [Self.get(), Self.get("/livez"), Self.get(), Self.get(), Self.get()]
            for (request, reads) in zip(requests, [1, 2, 3, 3, 3]) {
                _ = own.take([Array(request.utf8)])
                #expect(own.reads.count == reads)
                // Whoever is behind answers.
                if reads == 2 { try own.channel.writeOutbound(HTTPResponsePart.head(HTTPResponse(status: .ok))) }
                if reads == 2 { try own.channel.writeOutbound(HTTPResponsePart.end(nil)) }
            }
            _ = try own.channel.finish()
        }
    }

    @Test func onlySoLongHeadsAreKnown() throws {
        try withKnownRequests { known in
            for (length, isKnownToBe) in [(KnownRequests.maximumBytes, true), (KnownRequests.maximumBytes + 1, false)] {
                let padding = length - Self.get(more: "X: \r\n").utf8.count
                let request = Self.get(more: "X: \(String(repeating: "x", count: padding))\r\n")
                #expect(request.utf8.count == length)
                try Self.ask(request, known)
                #expect((known.find(ByteBuffer(string: request)) != nil) == isKnownToBe)
            }
        }
    }

    @Test func onlyHeadsOfSoManyFieldsAreKnown() throws {
        try withKnownRequests { known in
            // One is what says the host, which is none of them any more.
            for (fields, isKnownToBe) in [
                (KnownRequests.maximumFields, true), (KnownRequests.maximumFields + 1, false),
            ] {
                let request = Self.get(more: String(repeating: "X: x\r\n", count: fields))
                try Self.ask(request, known)
                #expect((known.find(ByteBuffer(string: request)) != nil) == isKnownToBe)
            }
        }
    }

    @Test func onlySoManyAreKnown() throws {
        try withKnownRequests { known in
            let requests = (0...KnownRequests.maximum).map { Self.get(more: "X: \($0)\r\n") }
            for (request, count) in zip(requests, 1...) {
                try Self.ask(request, known)
                #expect(known.find(ByteBuffer(string: request)) != nil)
                #expect((known.find(ByteBuffer(string: requests[0])) != nil) == (count <= KnownRequests.maximum))
            }
        }
    }

    private static func get(more: String) -> String { get("/buildid/\(id)/manifest.json", more) }

    /// On a connection of its own.
    private static func ask(_ request: String, _ known: KnownRequests) throws {
        let connection = try Connection(known)
        _ = connection.take([Array(request.utf8)])
        _ = try connection.channel.finish()
    }
}
