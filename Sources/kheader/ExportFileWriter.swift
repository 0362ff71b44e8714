internal import HeaderArchive
internal import HeaderTransport
internal import KernelHeaders

/// Writes an ``ExportFile``, one kernel after the other: memory does not grow with them.
final class ExportFileWriter {
    private let tar: TarWriter
    private var parts: [ExportFile.Part] = []

    /// - Parameter kernels: how many there will be.
    init(_ sink: any ByteSink, kernels: Int) throws {
        tar = TarWriter(sink)
        try add(
            ExportFile.headName, try ExportFile.json(ExportFile.Head(kernels: kernels, version: ExportFile.version)))
    }

    /// - Parameters:
    ///   - headers: the path of its bundle.
    ///   - btf: raw.
    func add(_ kernel: ExportFile.Kernel, headers: String, btf: [UInt8]?) throws {
        let folder = "\(kernel.identity.buildID)"
        try tar.addDirectory(try Self.path(folder))
        let size = try FileSize.of(headers)
        try add("\(folder)/\(ExportFile.headersName)", size: size, FileSource(path: headers))
        try add("\(folder)/\(ExportFile.kernelName)", try ExportFile.json(kernel))
        guard let btf else { return }
        let frame = BytesSink()
        let zstd = try ZstdSink(frame, level: 19)
        try btf.withUnsafeBytes { try zstd.write($0) }
        try zstd.finish()
        try add("\(folder)/\(ExportFile.btfName)", frame.bytes)
    }

    /// Writes the digests, and the end.
    func finish() throws {
        let sums = Array(parts.map(\.line).joined().utf8)
        try tar.addFile(try Self.path(ExportFile.sumsName), size: sums.count, executable: false)
        try sums.withUnsafeBytes { try tar.write($0) }
        try tar.finish()
    }

    private func add(_ name: String, _ bytes: [UInt8]) throws {
        try add(name, size: bytes.count, MemorySource(bytes))
    }

    private func add(_ name: String, size: Int, _ source: any ByteSource) throws {
        try tar.addFile(try Self.path(name), size: size, executable: false)
        var hash = SHA256Hash()
        try source.drain { bytes in
            hash.update(bytes)
            try tar.write(bytes)
        }
        parts.append(ExportFile.Part(name: name, digest: hash.digest()))
    }

    private static func path(_ name: String) throws -> HeaderPath {
        guard let path = HeaderPath(name) else {
            throw ExportFileError(code: .malformed, detail: "\(name) is no name.")
        }
        return path
    }
}

/// Keeps what it is given.
private final class BytesSink: ByteSink {
    private(set) var bytes: [UInt8] = []

    func write(_ bytes: UnsafeRawBufferPointer) { self.bytes.append(contentsOf: bytes) }
    func finish() {}
}
