internal import HeaderArchive

extension ByteSource {
    /// Writes all that is left to a sink, and finishes it.
    ///
    /// - Returns: how many bytes.
    /// - Throws: what the source and the sink throw; `CancellationError`.
    @discardableResult
    func copy(to sink: some ByteSink, _ cancellation: Cancellation) throws -> Int {
        var size = 0
        try drain { bytes in
            try cancellation.check()
            try sink.write(bytes)
            size += bytes.count
        }
        try sink.finish()
        return size
    }
}
