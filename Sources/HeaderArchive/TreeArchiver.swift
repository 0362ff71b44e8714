internal import Glibc
public import KernelHeaders

/// Makes an archive of folders: what a client sends when it has no archive.
public enum TreeArchiver {
    /// Writes a folder's tree as a tar, entries sorted by path; the same files give the same bytes.
    ///
    /// - Parameter sink: is finished at the end.
    /// - Returns: the manifest, which is also that of the archive.
    public static func write(_ folder: HeaderFolder, to sink: any ByteSink) throws -> TreeManifest {
        let visitor = ArchivingVisitor(TarWriter(sink))
        let manifest = try folder.read(visitor)
        for entry in manifest.entries {
            if case .link(let target) = entry.kind { try visitor.writer.addLink(entry.path, target: target) }
        }
        try visitor.writer.finish()
        return manifest
    }
}

private final class ArchivingVisitor: TreeVisitor {
    let writer: TarWriter

    init(_ writer: TarWriter) { self.writer = writer }

    func beginFile(_ path: HeaderPath, size: Int, executable: Bool) throws {
        try writer.addFile(path, size: size, executable: executable)
    }
    func write(_ bytes: UnsafeRawBufferPointer) throws { try writer.write(bytes) }
    func endFile(_ path: HeaderPath, digest: KernelHeaders.Digest) {}
}
