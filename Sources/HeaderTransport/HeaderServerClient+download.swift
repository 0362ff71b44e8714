public import HeaderArchive
public import KernelHeaders

// Bytes that are held against the digest that the server says they have (`Repr-Digest`, RFC 9530): what arrived is what
// was sent. Whether it is what it should be, only a tree digest says; see ``TreeFetch``.
extension HeaderServerClient {
    /// The most bytes of one header taken.
    static let headerLimit = ArchiveLimits.standard.fileBytes

    /// What a bundle is asked for by.
    public enum BundleKey: Sendable, Equatable {
        case kernel(BuildID)
        case tree(KernelHeaders.Digest)
    }

    /// A kernel's BTF: the raw section, as `/sys/kernel/btf/vmlinux` has it.
    ///
    /// - Parameter consume: reads it on a thread that may block, to its end, where the source throws if the bytes are
    ///   not those of their digest. When the connection breaks it is called again from the start, so it must have
    ///   undone what it did.
    public func btf<Value: Sendable>(
        of id: BuildID, progress: TransferProgress? = nil,
        _ consume: @escaping @Sendable (any ByteSource, Cancellation) throws -> Value
    ) async throws -> Value {
        try await verified(CurlRequest(path: APIPath.btfSection(id), progress: progress), consume)
    }

    /// One header of a kernel's tree.
    public func source(_ header: HeaderPath, of key: BundleKey) async throws -> [UInt8] {
        let path =
            switch key {
            case .kernel(let id): APIPath.source(id, header)
            case .tree(let digest): APIPath.source(tree: digest, header)
            }
        return try await verified(CurlRequest(path: path, seconds: timeouts.document)) { source, _ in
            var bytes: [UInt8] = []
            try source.drain {
                bytes.append(contentsOf: $0)
                guard bytes.count <= Self.headerLimit else {
                    throw TransportError.badAnswer(server: serverNames, what: "more than \(Self.headerLimit) bytes")
                }
            }
            return bytes
        }
    }

    /// A tree as one file.
    ///
    /// - Parameter consume: as for ``btf(of:progress:_:)``.
    public func download<Value: Sendable>(
        _ key: BundleKey, as format: BundleFormat, progress: TransferProgress? = nil,
        _ consume: @escaping @Sendable (any ByteSource, Cancellation) throws -> Value
    ) async throws -> Value {
        let path =
            switch key {
            case .kernel(let id): APIPath.bundle(id, format)
            case .tree(let digest): APIPath.bundle(tree: digest, format)
            }
        return try await verified(CurlRequest(path: path, progress: progress), consume)
    }

    private func verified<Value: Sendable>(
        _ request: CurlRequest, _ consume: @escaping @Sendable (any ByteSource, Cancellation) throws -> Value
    ) async throws -> Value {
        var request = request
        // A bundle that is still being made would come before its digest.
        request.fields.append(("Want-Repr-Digest", "sha-256=10"))
        return try await ask(request) { transfer, server, cancellation in
            guard let digest = try transfer.head()[ContentDigest.representation].flatMap(ContentDigest.sha256) else {
                throw TransportError.badAnswer(
                    server: "\(server)", what: "without the digest (Repr-Digest) that its bytes are held against")
            }
            return try consume(VerifiedSource(transfer, digest, server: "\(server)"), cancellation)
        }
    }
}

/// Throws at the end of a source whose bytes are not those of their digest.
final class VerifiedSource: ByteSource {
    private let source: any ByteSource
    private let digest: KernelHeaders.Digest
    private let server: String
    private var hash = SHA256Hash()

    init(_ source: any ByteSource, _ digest: KernelHeaders.Digest, server: String) {
        self.source = source
        self.digest = digest
        self.server = server
    }

    func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
        let count = try source.read(into: buffer)
        if count > 0 {
            hash.update(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
        } else if hash.digest() != digest {
            throw TransportError.digestDiffers(server: server)
        }
        return count
    }
}
