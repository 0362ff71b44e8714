internal import Glibc
internal import HeaderArchive
internal import KernelHeaders

/// The file of the module `kheaders`, read without loading it: the archive lies in it as it is.
///
/// Nobody has compared it with the kernel that runs, so that it is believed only if its `vermagic` begins with that kernel's
/// release, and either the modules that are loaded are those of the same folder (``ModulesInstallation/compare(_:)`` says what
/// that proves), or the archive itself has the kernel's version line, with the time of the build in it (before Linux 6.1).
struct ModuleFile: HeaderPlace {
    let origin = HeaderOrigin.moduleFile
    let installation: ModulesInstallation

    func survey(_ check: CancellationCheck) throws -> (bytes: Int, digest: KernelHeaders.Digest)? {
        _ = try installation.openHeaderModule()
        return nil
    }

    func collect(_ check: CancellationCheck) throws -> CollectedHeaders {
        let (path, file) = try installation.openHeaderModule()
        let release = try installation.release()
        let image: ELFImage
        let archive: Range<Int>
        do {
            image = try ELFImage(ModulesInstallation.decompressed(file, check))
            guard let built = try image.moduleRelease() else {
                throw PlaceFlaw(.malformed, "\(path) does not say of which kernel it is (it has no vermagic).")
            }
            guard built == release else {
                throw PlaceFlaw(.anotherKernel, "\(path) is of \(built), and \(release) runs here.")
            }
            archive = try image.headerArchive(check)
        } catch let error as ProbeError {
            throw PlaceFlaw(.malformed, "\(path) can't be used. \(error.description)")
        } catch let error as Problem {
            throw PlaceFlaw(.malformed, "\(path) can't be used. \(error.detail)")
        }
        let proof: String
        switch try installation.compare(check) {
        case .differs(let what): throw PlaceFlaw(.anotherKernel, what)
        case .same(let what): proof = what
        case .nothingToCompare:
            proof = try installation.compareVersion(of: RangeSource(image.bytes, archive), at: path, check)
        }
        let copy = try AnonymousFile.copy(RangeSource(image.bytes, archive), limit: SysfsArchive.limit, check)
        return CollectedHeaders(origin: origin, name: path, contents: .archive(CollectedArchive(copy)), detail: proof)
    }
}

extension ModulesInstallation {
    /// - Returns: the path for people, and the file.
    /// - Throws: ``PlaceFlaw``.
    fileprivate func openHeaderModule() throws -> (path: String, file: FileBytes) {
        guard let hostPath = try headerModule() else {
            throw PlaceFlaw(.missing, "There is no kheaders.ko in \(shown("/lib/modules/\(try release())")).")
        }
        let path = shown(hostPath)
        do {
            return (path, try open(hostPath))
        } catch let error as SystemCallError {
            throw PlaceFlaw(.unreadable, "\(path) can't be read (\(String(cString: strerror(error.number)))).")
        }
    }

    /// Reads the whole archive for its version line.
    ///
    /// - Returns: what is proven, in a sentence.
    /// - Throws: ``PlaceFlaw``; what `check` throws.
    fileprivate func compareVersion(of archive: RangeSource, at path: String, _ check: CancellationCheck) throws
        -> String
    {
        let headers: [String: GeneratedHeader]
        do {
            headers = try withoutActuallyEscaping(check) { check in
                let visitor = GeneratedHeaders(check)
                _ = try HeaderTreeReader.read(archive, visitor: visitor)
                return visitor.headers
            }
        } catch let error as Problem {
            throw PlaceFlaw(.malformed, "The archive in \(path) can't be read. \(error.detail)")
        }
        for name in GeneratedHeader.versions {
            guard let version = headers[name]?.string("UTS_VERSION"), let line = versionLine else { continue }
            guard GeneratedHeader.isVersion(version, of: line) else {
                throw PlaceFlaw(.anotherKernel, "\(path) has headers of \(version), and \(line) runs here.")
            }
            return "The archive's version line is the running kernel's: \(version)."
        }
        throw PlaceFlaw(
            .unproven,
            "Nothing shows that \(path) is of the build that runs: no module of the kernel's is loaded that could be compared, "
                + "and the archive has no version line.")
    }
}

/// Keeps the headers that tell a kernel's version.
private final class GeneratedHeaders: TreeVisitor {
    private(set) var headers: [String: GeneratedHeader] = [:]
    private let check: CancellationCheck
    private var bytes: [UInt8]?

    init(_ check: @escaping CancellationCheck) { self.check = check }

    func beginFile(_ path: HeaderPath, size: Int, executable: Bool) throws {
        try check()
        bytes = GeneratedHeader.versions.contains(path.string) && size <= 1 << 16 ? [] : nil
    }
    func write(_ piece: UnsafeRawBufferPointer) { bytes?.append(contentsOf: piece) }
    func endFile(_ path: HeaderPath, digest: KernelHeaders.Digest) {
        if let bytes { headers[path.string] = GeneratedHeader(bytes) }
    }
}
