internal import Glibc
internal import HeaderArchive
internal import KernelHeaders

/// `/sys/kernel/kheaders.tar.xz`: there if the kernel was built with `CONFIG_IKHEADERS=y`, or the module is loaded.
///
/// It is the kernel's own, so that nothing has to be proven; only a module of another build that somebody forced in could
/// belie it.
struct SysfsArchive: HeaderPlace {
    static let hostPath = "/sys/kernel/kheaders.tar.xz"
    /// The most bytes taken. Kernels have 3 to 5 MB.
    static let limit = 64 << 20
    /// The xz file format, 2.1.1.1.
    static let magic: [UInt8] = [0xFD, 0x37, 0x7A, 0x58, 0x5A, 0x00]

    let origin = HeaderOrigin.sysfs
    let root: HostRoot

    func survey(_ check: CancellationCheck) throws -> (bytes: Int, digest: KernelHeaders.Digest)? {
        let file = try open()
        var hash = SHA256Hash()
        var bytes = 0
        try RangeSource(file, 0..<file.count).drain { piece in
            try check()
            hash.update(piece)
            bytes += piece.count
        }
        guard bytes == file.count else { throw Self.changed(root) }
        return (bytes, hash.digest())
    }

    func collect(_ check: CancellationCheck) throws -> CollectedHeaders {
        CollectedHeaders(
            origin: origin, name: root(Self.hostPath), contents: .archive(CollectedArchive(try open())), detail: nil)
    }

    /// - Throws: ``PlaceFlaw``.
    func open() throws -> FileBytes {
        let path = root(Self.hostPath)
        let file: FileBytes
        do {
            file = try root.open(Self.hostPath)
        } catch let error as SystemCallError where error.number == ENOENT {
            throw PlaceFlaw(.missing, nil)
        } catch let error as SystemCallError {
            throw PlaceFlaw(.unreadable, "\(path) can't be read (\(String(cString: strerror(error.number)))).")
        }
        guard file.count <= Self.limit else {
            throw PlaceFlaw(.malformed, "\(path) has \(file.count) bytes; the limit is \(Self.limit).")
        }
        guard try file.firstBytes(Self.magic.count) == Self.magic else {
            throw PlaceFlaw(.malformed, "\(path) is no xz file.")
        }
        return file
    }

    static func changed(_ root: HostRoot) -> PlaceFlaw {
        PlaceFlaw(.unreadable, "\(root(hostPath)) ended early: its module was unloaded while it was read.")
    }
}
