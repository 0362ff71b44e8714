internal import Glibc
internal import HeaderArchive
internal import KernelHeaders

/// An open pack. Reads with `pread`, so any number of threads may share it.
final class PackReader: Sendable {
    let digest: Digest
    let length: Int
    private let descriptor: CInt
    private let path: String

    /// - Throws: `Problem` with `store-damaged` if there is no such pack.
    init(_ digest: Digest, layout: StoreLayout) throws {
        self.digest = digest
        path = layout.pack(digest)
        descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            // A process that has no descriptor left, say, must not take a good pack for a damaged one.
            guard errno == ENOENT || errno == EIO else {
                throw SystemCallError(call: "open", path: path, number: errno)
            }
            throw Self.damaged(digest, "can't be opened")
        }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else {
            close(descriptor)
            throw Self.damaged(digest, "can't be read")
        }
        length = Int(status.st_size)
    }

    deinit { close(descriptor) }

    /// Reads the index, checking the magic at both ends.
    func readIndex() throws -> PackIndex {
        let footer = try read(at: length - PackIndex.footerLength, count: PackIndex.footerLength)
        let magic = try read(at: 0, count: PackIndex.magic.count)
        let isRewritten = magic == PackIndex.rewrittenMagic
        guard isRewritten || magic == PackIndex.magic,
            footer[16...].elementsEqual(isRewritten ? PackIndex.rewrittenEndMagic : PackIndex.endMagic)
        else { throw Self.damaged(digest, "is not a pack of version 1 or 2") }
        let offset = footer[..<8].littleEndianInteger
        let frame = try read(at: offset, count: footer[8..<12].littleEndianInteger)
        return try PackIndex(
            encoded: ZstdFrame.decompress(frame, rawLength: footer[12..<16].littleEndianInteger),
            isRewritten: isRewritten)
    }

    /// - Throws: `Problem` with `store-damaged` if the file ends before.
    func read(at offset: Int, count: Int) throws -> [UInt8] {
        guard offset >= 0, count >= 0, offset <= length, count <= length - offset else {
            throw Self.damaged(digest, "is too short")
        }
        return try [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            while filled < count {
                let piece = UnsafeMutableRawBufferPointer(
                    rebasing: UnsafeMutableRawBufferPointer(buffer)[filled..<count])
                let read = try SystemCallError.check("pread", path) {
                    pread(descriptor, piece.baseAddress, piece.count, off_t(offset + filled))
                }
                guard read > 0 else { throw Self.damaged(digest, "is too short") }
                filled += read
            }
        }
    }

    /// Whether the file's bytes still have the digest it is named by.
    ///
    /// - Parameter pace: is told of the bytes of each piece before it is read.
    func isIntact(pace: (_ bytes: Int) throws -> Void = { _ in }) throws -> Bool {
        var hash = SHA256Hash()
        var offset = 0
        while offset < length {
            let count = min(1 << 20, length - offset)
            try pace(count)
            let piece = try read(at: offset, count: count)
            piece.withUnsafeBytes { hash.update($0) }
            offset += piece.count
        }
        return hash.digest() == digest
    }

    /// - Returns: nil for what a damaged file or a damaged disk answers; other errors are thrown.
    static func unlessDamaged<Value>(_ body: () throws -> Value) throws -> Value? {
        do {
            return try body()
        } catch let problem as Problem where problem.code == .storeDamaged {
            return nil
        } catch let error as SystemCallError where error.number == EIO {
            return nil
        }
    }

    private static func damaged(_ digest: Digest, _ what: String) -> Problem {
        Problem(.storeDamaged, "The pack \(digest) \(what). Restore it from a backup.")
    }
}

extension ArraySlice<UInt8> {
    /// Up to eight bytes, least significant first; more than 63 bits become `Int.max`.
    fileprivate var littleEndianInteger: Int {
        Int(clamping: reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) })
    }
}
