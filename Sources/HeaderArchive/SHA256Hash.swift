internal import Crypto
public import KernelHeaders

/// SHA-256 of bytes that come a piece at a time (swift-crypto's, which is BoringSSL's).
public struct SHA256Hash {
    private var hash = SHA256()

    public init() {}

    public mutating func update(_ bytes: UnsafeRawBufferPointer) { hash.update(bufferPointer: bytes) }

    /// The digest of what was given so far.
    public func digest() -> KernelHeaders.Digest {
        hash.finalize().withUnsafeBytes { KernelHeaders.Digest($0) }
    }

    public static func digest(of bytes: UnsafeRawBufferPointer) -> KernelHeaders.Digest {
        var hash = SHA256Hash()
        hash.update(bytes)
        return hash.digest()
    }

    public static func digest(of bytes: [UInt8]) -> KernelHeaders.Digest { bytes.withUnsafeBytes { digest(of: $0) } }

    /// HMAC-SHA-256 (RFC 2104).
    public static func authenticationCode(of bytes: [UInt8], key: [UInt8]) -> KernelHeaders.Digest {
        let block = 64
        var key = key.count > block ? digest(of: key).bytes : key
        key += [UInt8](repeating: 0, count: block - key.count)
        return digest(of: key.map { $0 ^ 0x5C } + digest(of: key.map { $0 ^ 0x36 } + bytes).bytes)
    }
}

extension TreeManifest {
    /// The tree digest: the SHA-256 of the canonical bytes.
    public var digest: KernelHeaders.Digest { SHA256Hash.digest(of: canonicalBytes) }
}
