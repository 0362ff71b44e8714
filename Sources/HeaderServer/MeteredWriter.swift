import HTTPTypes
import Hummingbird
import NIOCore
import Synchronization

/// Counts the bytes of a body whose length nobody knows before it is sent; also those that a file sends past it.
struct MeteredWriter: ResponseBodyWriter {
    fileprivate var base: any ResponseBodyWriter
    fileprivate let meter: Meter

    /// Is told of bytes that were sent past this writer.
    var note: @Sendable (_ bytes: Int) -> Void {
        { [meter, next = (base as? MeteredWriter)?.note] bytes in
            meter.bytes.add(bytes, ordering: .relaxed)
            next?(bytes)
        }
    }

    mutating func write(_ buffer: ByteBuffer) async throws {
        try await base.write(buffer)
        meter.bytes.add(buffer.readableBytes, ordering: .relaxed)
    }

    consuming func finish(_ trailingHeaders: HTTPFields?) async throws {
        // Before the client knows that it has all of it.
        meter.end()
        try await base.finish(trailingHeaders)
    }

    /// Is read once: at the end of the body, or when nobody sends it any more.
    fileprivate final class Meter: Sendable {
        let bytes = Atomic(0)
        private let report: Mutex<(@Sendable (_ bytes: Int) -> Void)?>

        init(_ report: @escaping @Sendable (_ bytes: Int) -> Void) { self.report = Mutex(report) }

        deinit { end() }

        func end() { report.withLock { $0.take() }?(bytes.load(ordering: .relaxed)) }
    }
}

extension Response {
    /// Tells how many bytes the body has: at once, or when it was sent if that is not known before.
    ///
    /// - Parameter report: is called once, also if the body breaks off, with what was sent of it.
    mutating func meter(_ report: @escaping @Sendable (_ bytes: Int) -> Void) {
        if let length = body.contentLength { return report(length) }
        let meter = MeteredWriter.Meter(report)
        body = ResponseBody { [body] writer in
            try await body.write(MeteredWriter(base: writer, meter: meter))
        }
    }
}
