internal import FoundationEssentials
internal import Glibc
internal import HeaderArchive
public import HeaderStore
public import KernelHeaders
public import Logging
internal import OperatorDocuments

/// In what a store is not as it has to be.
public struct StoreFlaw: Error, CustomStringConvertible {
    public let description: String

    public init(description: String) { self.description = description }
}

extension Logger {
    /// One that nobody reads.
    public static var silent: Logger { Logger(label: "test") { _ in SwiftLogNoOpLogHandler() } }
}

extension HeaderStore {
    /// Opens a store whose log nobody reads.
    public convenience init(folder: String, _ change: (inout Options) -> Void = { _ in }) throws {
        var options = Options()
        change(&options)
        try self.init(
            folder: folder, options: options, logger: .silent)
    }

    /// Uploads a kernel's headers.
    @discardableResult
    public func put(
        _ kernel: StoredKernel, release: String? = nil, source: HeaderSource = .push
    ) async throws -> (receipt: IngestReceipt, isNew: Bool) {
        try await put(kernel.archive, as: KernelIdentity(buildID: kernel.id, release: release), source: source)
    }

    /// Uploads an archive.
    @discardableResult
    public func put(
        _ archive: [UInt8], as identity: KernelIdentity, source: HeaderSource = .push, origin: HeaderOrigin? = nil,
        claim: String? = nil
    ) async throws -> (receipt: IngestReceipt, isNew: Bool) {
        let permit = try beginUpload(of: .headers, kernel: identity.buildID, claim: claim)
        let upload = try stageUpload(expecting: archive.count)
        try archive.withUnsafeBytes { try upload.write($0) }
        return try await ingest(
            upload, digest: try upload.finish(), identity: identity, source: source, origin: origin, permit: permit)
    }

    /// Uploads a kernel's BTF.
    @discardableResult
    public func put(
        btf: [UInt8], of id: BuildID, claim: String? = nil
    ) async throws -> (receipt: BTFReceipt, isNew: Bool) {
        let permit = try beginUpload(of: .btf, kernel: id, claim: claim)
        let upload = try stageBTF(expecting: btf.count)
        try btf.withUnsafeBytes { try upload.write($0) }
        return try await ingestBTF(upload, digest: try upload.finish(), buildID: id, permit: permit)
    }

    /// The bytes of a kernel's bundle.
    public func bundleBytes(_ kernel: StoredKernel, _ format: BundleFormat) async throws -> [UInt8] {
        try await bundle(of: kernel.manifest.digest, format: format).bytes()
    }

    /// Whether the store knows a kernel.
    public func has(_ kernel: StoredKernel) async throws -> Bool {
        do {
            _ = try await self.kernel(kernel.id)
            return true
        } catch let problem as Problem where problem.code == .kernelUnknown || problem.code == .kernelPurged {
            return false
        }
    }

    /// Looks at everything of a kernel that can be had: its row, its manifest, each file, a bundle.
    ///
    /// - Throws: ``StoreFlaw`` for the first thing that is not as it was put in, or the store's own error.
    public func requireWhole(_ kernel: StoredKernel) async throws {
        let digest = try await self.kernel(kernel.id).treeDigest
        guard digest == kernel.manifest.digest else { throw StoreFlaw(description: "\(kernel.id): another tree") }
        guard try await manifest(of: digest) == kernel.manifest else {
            throw StoreFlaw(description: "\(kernel.id): another manifest")
        }
        for (path, bytes) in kernel.contents {
            guard try await file(at: path, in: digest).bytes == bytes else {
                throw StoreFlaw(description: "\(kernel.id): other contents of \(path)")
            }
        }
        let bundle = MemorySource(try await bundleBytes(kernel, .tar))
        guard try HeaderTreeReader.read(bundle, visitor: ManifestOnly()) == kernel.manifest else {
            throw StoreFlaw(description: "\(kernel.id): another tree in the bundle")
        }
    }

    /// Checks that a store's folder has what its catalogue knows of, and nothing else.
    ///
    /// - Throws: ``StoreFlaw``.
    public func requireNoStrays(in folder: String) async throws {
        let status = try await status()
        let known: Set = [
            "VERSION", "lock", "catalogue.sqlite", "catalogue.sqlite-wal", "catalogue.sqlite-shm", "packs", "btf",
            "bundles", "pch", "quarantine", "staging",
        ]
        let strays = try FolderListing.names(in: folder).filter { !known.contains($0) }
        guard strays.isEmpty else { throw StoreFlaw(description: "the store has \(strays)") }
        let staged = try FolderListing.names(in: "\(folder)/staging")
        guard staged.isEmpty else { throw StoreFlaw(description: "the staging folder has \(staged)") }
        let packs = try FolderListing.names(in: "\(folder)/packs").map { ($0, try Self.bytes("\(folder)/packs/\($0)")) }
        for (name, bytes) in packs where name != "\(Digest(of: bytes)).khpack" {
            throw StoreFlaw(description: "\(name) has other bytes than its name says")
        }
        guard packs.count == status.packs, packs.reduce(0, { $0 + $1.1.count }) == status.packBytes else {
            throw StoreFlaw(description: "\(packs.count) packs on disk, \(status.packs) in the catalogue")
        }
        let btf = try FolderListing.names(in: "\(folder)/btf").map { ($0, try Self.bytes("\(folder)/btf/\($0)")) }
        for (name, bytes) in btf {
            let raw = try CompressionTool.zstd.decompress(bytes)
            guard name.hasSuffix(".\(Digest(of: raw)).\(raw.count).btf.zst") else {
                throw StoreFlaw(description: "\(name) has other BTF than its name says")
            }
        }
        guard btf.count == status.btfKernels, btf.reduce(0, { $0 + $1.1.count }) == status.btfBytes else {
            throw StoreFlaw(description: "\(btf.count) files of BTF on disk, \(status.btfKernels) are known")
        }
        let bundles = try FolderListing.names(in: "\(folder)/bundles")
            .reduce(0) { $0 + (try Self.bytes("\(folder)/bundles/\($1)").count) }
        guard bundles == status.bundleBytes else {
            throw StoreFlaw(description: "\(bundles) bytes of bundles on disk, \(status.bundleBytes) in the catalogue")
        }
        // Each as it is, and compressed.
        let pchs = try FolderListing.names(in: "\(folder)/pch").map { try Self.bytes("\(folder)/pch/\($0)").count }
        guard pchs.count == 2 * (status.pchs ?? 0), pchs.reduce(0, +) == status.pchBytes else {
            throw StoreFlaw(description: "\(pchs) bytes of PCHs on disk, \(status.pchBytes ?? 0) in the catalogue")
        }
    }

    private static func bytes(_ path: String) throws -> [UInt8] { try FileSource(path: path).readAll() }
}

extension DerivedFile {
    /// All of them, which have the digest that they should have.
    public func bytes() throws -> [UInt8] {
        let bytes = try [UInt8](unsafeUninitializedCapacity: length) { buffer, count in
            while count < length {
                let rest = UnsafeMutableRawBufferPointer(buffer)[count...]
                let read = try contents.read(at: count, into: UnsafeMutableRawBufferPointer(rebasing: rest))
                guard read > 0 else { throw StoreFlaw(description: "the file ends after \(count) bytes") }
                count += read
            }
        }
        guard Digest(of: bytes) == digest else { throw StoreFlaw(description: "the file is not its digest") }
        return bytes
    }
}
