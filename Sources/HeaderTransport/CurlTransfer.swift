internal import CCurl
internal import Glibc
internal import HeaderArchive

/// One request and its response, on libcurl's multi interface, whose body is read as it is wanted.
///
/// Nothing happens between the calls: ``read(into:)`` lets curl work until there are bytes, and curl is paused when
/// ``bufferSize`` of them wait, so memory does not grow with the body. For one thread.
final class CurlTransfer: ByteSource {
    /// Bytes that may wait to be read; one write of curl's may come on top.
    static let bufferSize = 1 << 18
    /// How long curl waits for the network at a time, in milliseconds; a cancellation ends it early.
    private static let patience: CInt = 1000

    private let request: CurlRequest
    private let server: ServerAddress
    private let cancellation: Cancellation
    private let handle: CurlHandle
    private let connections: CurlConnections
    private let connection: CurlConnections.Handle
    private var multi: UnsafeMutableRawPointer { connection.multi }
    private var result: CURLcode?

    private var response = ResponseHead()
    private var waiting: [UInt8] = []
    private var position = 0
    private var isPaused = false
    private var bodyHasBegun = false
    private var received = 0

    /// Of the upload, without what lies before its start.
    private var sent = 0
    private var uploadFailure: (any Error)?

    /// Sets the request up; the first call of ``head()`` or ``read(into:)`` sends it.
    ///
    /// - Parameter connections: where one is taken from, and left for the next request.
    init(
        _ request: CurlRequest, to server: ServerAddress, over connections: CurlConnections, userAgent: String,
        timeouts: TransferTimeouts, cancellation: Cancellation
    ) throws {
        self.request = request
        self.server = server
        self.cancellation = cancellation
        handle = try CurlHandle(request, to: server, userAgent: userAgent, timeouts: timeouts)
        self.connections = connections
        connection = connections.take(for: server)
        setCallbacks()
        curl_multi_add_handle(multi, handle.easy)
        // The one call of libcurl's that another thread may make.
        nonisolated(unsafe) let shared = multi
        cancellation.onCancel { curl_multi_wakeup(shared) }
    }

    deinit {
        cancellation.onCancel(nil)
        curl_multi_remove_handle(multi, handle.easy)
        // A connection in the middle of something was closed by that.
        connections.keep(connection)
    }

    /// The response's head, without waiting for the whole body; all of the upload is sent before.
    ///
    /// - Throws: ``TransportError``; `CancellationError`; `SystemCallError` if the upload cannot be read.
    func head() throws -> ResponseHead {
        while !bodyHasBegun, result == nil { try advance() }
        if !bodyHasBegun { try checkResult() }
        return response
    }

    func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
        while position == waiting.count {
            guard result == nil else {
                try checkResult()
                return 0
            }
            try advance()
        }
        let count = min(buffer.count, waiting.count - position)
        waiting.withUnsafeBytes {
            buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[position..<position + count]))
        }
        position += count
        if position == waiting.count {
            waiting.removeAll(keepingCapacity: true)
            position = 0
        }
        received += count
        if upload == nil { request.progress?(received, response.contentLength) }
        return count
    }

    private var upload: (file: UploadFile, start: Int)? {
        if case .file(let file, let start) = request.body { (file, start) } else { nil }
    }

    /// Seconds that the response's `Retry-After` asks for, whichever of its two forms it has.
    var retryAfter: Int? {
        var seconds: curl_off_t = 0
        guard response["retry-after"] != nil,
            khd_curl_get_offset(handle.easy, CURLINFO_RETRY_AFTER, &seconds) == CURLE_OK
        else { return nil }
        return Int(seconds)
    }

    /// Lets curl work until it has handed something over, or for ``patience``.
    private func advance() throws {
        try cancellation.check()
        if isPaused, waiting.isEmpty {
            isPaused = false
            // Hands over what curl held back, and may pause again.
            curl_easy_pause(handle.easy, CURLPAUSE_CONT)
        }
        var running: CInt = 0
        guard curl_multi_perform(multi, &running) == CURLM_OK else {
            throw TransportError.brokenOff(server: "\(server)", reason: "libcurl failed", isTransient: false)
        }
        var left: CInt = 0
        while let message = curl_multi_info_read(multi, &left) {
            if message.pointee.msg == CURLMSG_DONE { result = khd_curl_message_result(message) }
        }
        if result == nil, waiting.isEmpty { curl_multi_poll(multi, nil, 0, Self.patience, nil) }
    }

    private func checkResult() throws {
        guard let result, result != CURLE_OK else { return }
        if let uploadFailure { throw uploadFailure }
        if result == CURLE_TOO_MANY_REDIRECTS {
            throw TransportError.badAnswer(
                server: "\(server)", what: "with a redirect after \(CurlHandle.maximumRedirects) others")
        }
        // curl wanted to begin anew, which is not how this goes on.
        let reason = result == CURLE_SEND_FAIL_REWIND ? "the connection broke" : handle.reason(result)
        let isTransient = CurlLibrary.isTransient(result)
        throw response.status == 0
            ? TransportError.unreachable(server: "\(server)", reason: reason, isTransient: isTransient)
            : TransportError.brokenOff(server: "\(server)", reason: reason, isTransient: isTransient)
    }
}

// What curl calls, on the thread that is in `advance()`.
extension CurlTransfer {
    private func setCallbacks() {
        let context = Unmanaged.passUnretained(self).toOpaque()
        let easy = handle.easy
        khd_curl_set_callback(easy, CURLOPT_HEADERFUNCTION) { bytes, size, count, context in
            let line = UnsafeRawBufferPointer(start: bytes, count: size * count)
            return CurlTransfer.from(context).take(headerLine: line) ? line.count : 0
        }
        khd_curl_set_pointer(easy, CURLOPT_HEADERDATA, context)
        khd_curl_set_callback(easy, CURLOPT_WRITEFUNCTION) { bytes, size, count, context in
            CurlTransfer.from(context).take(body: UnsafeRawBufferPointer(start: bytes, count: size * count))
        }
        khd_curl_set_pointer(easy, CURLOPT_WRITEDATA, context)
        guard upload != nil else { return }
        khd_curl_set_callback(easy, CURLOPT_READFUNCTION) { bytes, size, count, context in
            CurlTransfer.from(context).give(UnsafeMutableRawBufferPointer(start: bytes, count: size * count))
        }
        khd_curl_set_pointer(easy, CURLOPT_READDATA, context)
        khd_curl_set_seek_callback(easy) { context, offset, origin in
            CurlTransfer.from(context).rewind(to: Int(offset), from: origin)
        }
        khd_curl_set_pointer(easy, CURLOPT_SEEKDATA, context)
    }

    private static func from(_ context: UnsafeMutableRawPointer?) -> CurlTransfer {
        guard let context else { preconditionFailure("curl lost its context") }
        return Unmanaged<CurlTransfer>.fromOpaque(context).takeUnretainedValue()
    }

    private func take(headerLine line: UnsafeRawBufferPointer) -> Bool {
        // Trailers come after the body; nothing in them is asked for, but they end.
        bodyHasBegun ? response.passOver(line: line) : response.add(line: line)
    }

    private func take(body: UnsafeRawBufferPointer) -> Int {
        guard waiting.count - position < Self.bufferSize else {
            isPaused = true
            return khd_curl_write_pause
        }
        bodyHasBegun = true
        waiting.append(contentsOf: body)
        return body.count
    }

    private func give(_ buffer: UnsafeMutableRawBufferPointer) -> Int {
        guard let (file, start) = upload else { return khd_curl_read_abort }
        do {
            let place = start + sent
            let wanted = min(buffer.count, file.size - place)
            guard wanted > 0 else { return 0 }
            let count = try file.read(at: place, into: UnsafeMutableRawBufferPointer(rebasing: buffer[..<wanted]))
            guard count > 0 else { throw SystemCallError(call: "read", path: file.name, number: EIO) }
            sent += count
            request.progress?(start + sent, file.size)
            return count
        } catch {
            uploadFailure = error
            return khd_curl_read_abort
        }
    }

    /// For a redirect or a proxy's challenge in the middle of an upload, and when a kept connection breaks: curl sends the
    /// request once more then. Answers in curl's terms: 0 for done.
    private func rewind(to offset: Int, from origin: CInt) -> CInt {
        // Where a part of an upload goes on is for the server to say.
        guard request.method != .patch || sent == 0 else { return CURL_SEEKFUNC_FAIL }
        guard origin == SEEK_SET, let (file, start) = upload, (0...file.size - start).contains(offset) else {
            return CURL_SEEKFUNC_FAIL
        }
        sent = offset
        return CURL_SEEKFUNC_OK
    }
}
