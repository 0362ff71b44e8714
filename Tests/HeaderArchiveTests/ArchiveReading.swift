import HeaderArchive
import KHeaderTestSupport
import KernelHeaders

/// Reads archives that are in memory.
enum ArchiveReading {
    static func manifest(of archive: [UInt8], limits: ArchiveLimits = .standard) throws -> TreeManifest {
        try HeaderTreeReader.read(MemorySource(archive), limits: limits, visitor: ManifestOnly())
    }

    /// The code with which an archive is refused; nil if it is not.
    static func refusal(of archive: [UInt8], limits: ArchiveLimits = .standard) throws -> ProblemCode? {
        try refusal(of: MemorySource(archive), limits: limits)
    }

    static func refusal(of source: any ByteSource, limits: ArchiveLimits = .standard) throws -> ProblemCode? {
        do {
            _ = try HeaderTreeReader.read(source, limits: limits, visitor: ManifestOnly())
            return nil
        } catch let problem as Problem {
            return problem.code
        }
    }

    /// Unpacks into a new folder.
    @discardableResult
    static func unpack(_ archive: [UInt8], to folder: String) throws -> TreeManifest {
        try TemporaryFolder.makeFolders(folder)
        let extractor = try TreeExtractor(directory: folder)
        let manifest = try HeaderTreeReader.read(MemorySource(archive), visitor: extractor)
        try extractor.finish(manifest)
        return manifest
    }
}

/// Keeps what it is given.
final class RecordingVisitor: TreeVisitor {
    private(set) var contents: [HeaderPath: [UInt8]] = [:]
    private(set) var order: [HeaderPath] = []
    private var open: HeaderPath?

    func beginFile(_ path: HeaderPath, size: Int, executable: Bool) {
        precondition(open == nil)
        open = path
        order.append(path)
        contents[path] = []
    }

    func write(_ bytes: UnsafeRawBufferPointer) {
        if let open { contents[open]?.append(contentsOf: bytes) }
    }

    func endFile(_ path: HeaderPath, digest: KernelHeaders.Digest) {
        precondition(open == path && SHA256Hash.digest(of: contents[path] ?? []) == digest)
        open = nil
    }
}

/// Keeps the bytes that are written to it.
final class MemorySink: ByteSink {
    private(set) var bytes: [UInt8] = []
    private(set) var isFinished = false

    func write(_ bytes: UnsafeRawBufferPointer) { self.bytes.append(contentsOf: bytes) }
    func finish() { isFinished = true }
}

/// A source that counts, and gives few bytes at a time: sources may, and readers must not care.
final class DribblingSource: ByteSource {
    private let source: MemorySource
    private let piece: Int
    private(set) var count = 0

    init(_ bytes: [UInt8], piece: Int) {
        source = MemorySource(bytes)
        self.piece = piece
    }

    func read(into buffer: UnsafeMutableRawBufferPointer) -> Int {
        let read = source.read(into: UnsafeMutableRawBufferPointer(rebasing: buffer.prefix(piece)))
        count += read
        return read
    }
}

extension TarForge {
    /// One good header, so that what follows it is refused for its own sake.
    static func withHeader() -> TarForge {
        var forge = TarForge()
        forge.addFile("./include/linux/kconfig.h", "#define A 1\n")
        return forge
    }
}
