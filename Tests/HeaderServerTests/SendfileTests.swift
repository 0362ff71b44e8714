import Glibc
import HTTPTypes
import HeaderArchive
import Hummingbird
import KHeaderTestSupport
import KernelHeaders
import NIOCore
import NIOEmbedded
import NIOHTTP1
import NIOHTTPTypes
import NIOHTTPTypesHTTP1
import Synchronization
import Testing

@testable import HeaderServer
@testable import HeaderStore

/// What is on disk goes from there into the socket, whole or in parts; where the connection can't do that, through memory.
@Suite struct SendfileTests {
    /// What a connection was given to send.
    enum Piece: Equatable, Sendable {
        case region(Range<Int>)
        case bytes([UInt8])
    }

    /// Stands where the HTTP/1 encoder does.
    private final class Recorder: ChannelOutboundHandler, Sendable {
        typealias OutboundIn = HTTPServerResponsePart

        let pieces = Mutex<[Piece]>([])

        func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
            if case .body(let body) = unwrapOutboundIn(data) {
                let piece: Piece =
                    switch body {
                    case .byteBuffer(let buffer): .bytes(Array(buffer.readableBytesView))
                    case .fileRegion(let region): .region(region.readerIndex..<region.endIndex)
                    }
                pieces.withLock { $0.append(piece) }
            }
            promise?.succeed()
        }
    }

    /// Hummingbird's, whose buffers go the same way.
    private struct Writer: ResponseBodyWriter {
        let written: Recorder

        mutating func write(_ buffer: ByteBuffer) async throws {
            written.pieces.withLock { $0.append(.bytes(Array(buffer.readableBytesView))) }
        }

        consuming func finish(_ trailingHeaders: HTTPFields?) async throws {}
    }

    /// What the answer to a GET of a bundle is sent as, and the bundle.
    private func pieces(_ field: HTTPField? = nil, hasCodec: Bool = true) async throws -> ([Piece], [UInt8]) {
        let kernel = try StoredKernel(id: 1, SmallKernel())
        return try await withTemporaryFolder { folder in
            let store = try HeaderStore(folder: folder.path("store"))
            try await store.put(kernel)
            let bundle = try await store.bundle(of: kernel.manifest.digest, format: .tar)
            let recorder = Recorder()
            let channel = await NIOAsyncTestingChannel(handlers: [recorder])
            if hasCodec {
                try await channel.eventLoop.submit {
                    try channel.pipeline.syncOperations.addHandler(RequestCodec())
                }.get()
            }
            var fields = HTTPFields()
            if let field { fields.append(field) }
            let request = Request(
                head: HTTPRequest(method: .get, scheme: "http", authority: "x", path: "/", headerFields: fields),
                body: RequestBody(buffer: ByteBuffer()))
            let response = try Representation(
                contents: .file(bundle), mediaType: "application/x-tar", digest: bundle.digest, lifetime: .byDigest,
                fileName: "headers.tar"
            ).response(to: request, over: channel)
            try await response.body.write(Writer(written: recorder))
            return (recorder.pieces.withLock { $0 }, try await store.bundleBytes(kernel, .tar))
        }
    }

    @Test func theWhole() async throws {
        let (pieces, bundle) = try await pieces()
        #expect(pieces == [.region(0..<bundle.count)])
    }

    @Test func aRange() async throws {
        let (pieces, _) = try await pieces(HTTPField(name: .range, value: "bytes=5-700000"))
        #expect(pieces == [.region(5..<700_001)])
    }

    @Test func severalRanges() async throws {
        let (pieces, bundle) = try await pieces(HTTPField(name: .range, value: "bytes=5-9,1000-1999,-7"))
        let regions = pieces.compactMap { if case .region(let range) = $0 { range } else { nil } }
        #expect(regions == [5..<10, 1000..<2000, bundle.count - 7..<bundle.count])
        // Between them are only the heads of the parts.
        #expect(pieces.count == 7)
    }

    /// Takes what is sent when it is told to.
    private final class Client: ChannelOutboundHandler {
        typealias OutboundIn = HTTPServerResponsePart
        var waiting: [EventLoopPromise<Void>] = []

        func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
            if let promise { waiting.append(promise) }
        }
    }

    @Test func whoStopsReadingLosesTheConnection() throws {
        let file = try OpenFile(inMemory: [UInt8](repeating: 0, count: 2 * FileSending.step + 1), name: "test")
        for taken in 0...3 {
            let (channel, client, codec) = (EmbeddedChannel(), Client(), RequestCodec())
            try channel.pipeline.syncOperations.addHandlers([client, codec])
            try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
            let context = try channel.pipeline.syncOperations.context(handler: codec)
            var isWhole: Bool?
            let sending = FileSending(file, 0..<2 * FileSending.step + 1, past: context, note: nil)
            sending.begin().assumeIsolated().whenComplete { isWhole = (try? $0.get()) != nil }
            for _ in 0..<taken {
                // Slow, but not too slow.
                channel.embeddedEventLoop.advanceTime(by: FileSending.patience - .seconds(1))
                client.waiting.removeFirst().succeed()
                channel.embeddedEventLoop.run()
            }
            #expect(isWhole == (taken == 3 ? true : nil))
            channel.embeddedEventLoop.advanceTime(by: FileSending.patience - .seconds(1))
            #expect(channel.isActive)
            channel.embeddedEventLoop.advanceTime(by: .seconds(2))
            #expect(channel.isActive == (taken == 3))
            for promise in client.waiting { promise.fail(ChannelError.ioOnClosedChannel) }
            channel.embeddedEventLoop.run()
            #expect(isWhole == (taken == 3))
        }
    }

    @Test func buffersWhereTheConnectionMustSeeTheBytes() async throws {
        let (pieces, bundle) = try await pieces(HTTPField(name: .range, value: "bytes=5-700000"), hasCodec: false)
        #expect(
            pieces.flatMap { if case .bytes(let bytes) = $0 { bytes } else { [UInt8]() } } == Array(bundle[5...700_000])
        )
        #expect(pieces.count == 3)
    }
}
