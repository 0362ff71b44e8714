internal import HeaderArchive
public import KernelHeaders

/// A kernel of a distribution: what its image says it is, and the packages that have its headers.
public struct DistributionKernel: Sendable {
    /// Out of the image itself.
    public let identity: KernelIdentity
    /// Its BTF; nil if the image carries none.
    public let btf: [UInt8]?
    /// As `uname -r` prints it; the image's package and the image agree about it.
    public let release: String
    /// The version of all its packages: `6.1.192-2`.
    public let version: String

    /// Headers made for this kernel alone.
    let flavour: DebianPackage
    /// Headers shared with others; nil if the flavour's package has them all, as the kernel's own `make bindeb-pkg` does.
    let common: DebianPackage?

    /// The paths of the packages that the headers are in, as they were given.
    public var headerPackages: [String] { ([common, flavour].compactMap { $0 }).map(\.path) }

    /// Writes the kernel's headers into a folder, as `source/` (shared) and `build/` (made for it), the pair that
    /// `HeaderFolder` takes: `*.h` files and links under `include/` and `arch/<arch>/include/`.
    ///
    /// - Parameters:
    ///   - directory: an existing folder, empty, that nobody else writes to. Nothing is written outside it.
    ///   - progress: told how far reading the packages has come.
    /// - Throws: ``ProbeError`` with `packageDamaged`, `packageIncomplete`, `tooLarge`; `SystemCallError`.
    public func unpackHeaders(into directory: String, progress: PackageProgress.Handler = { _ in }) throws {
        guard let architecture = identity.architecture?.sourceFolder else {
            throw ProbeError(.formatUnsupported, "The architecture of kernel \(release) is not known.")
        }
        var unpacker = try HeaderPackageUnpacker(
            directory: directory, architecture: architecture, limits: flavour.limits.headers)
        if let common { try unpacker.unpack(common, folder: common.name, to: "source", progress: progress) }
        try unpacker.unpack(flavour, folder: "linux-headers-\(release)", to: "build", progress: progress)
        try unpacker.finish(release: release)
    }
}
