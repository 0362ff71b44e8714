/// A distribution's kernel packages, sorted into kernels.
///
/// A kernel is an image package and the header packages of the same build. Which go together is told by what they hold
/// and depend on: the image's `boot/vmlinuz-RELEASE`, the package `linux-headers-RELEASE`, and the package of shared headers
/// that this one depends on (`linux-headers-…-common` in Debian, `linux-headers-VERSION` in Ubuntu). All have one version:
/// headers of another build would be the wrong ones for this build ID.
public struct KernelPackages: Sendable {
    /// The kernels, in the order of their releases, at least one.
    public let kernels: [DistributionKernel]
    /// Packages given that no kernel here needs, each as its path and why.
    public let ignored: [Ignored]

    /// A package that was given and not needed.
    public struct Ignored: Sendable, Equatable {
        /// As it was given.
        public let path: String
        /// Half a sentence: `linux-kbuild-6.1 is neither a kernel's image nor its headers`.
        public let reason: String
    }

    /// Opens the packages and reads the images' build IDs.
    ///
    /// - Parameters:
    ///   - paths: of `.deb` files, in any order, of one or more kernels. Meta-packages and others are ignored.
    ///   - limits: what the packages may cost.
    ///   - progress: told how far reading has come.
    /// - Throws: ``ProbeError`` that names the package that is missing or does not fit; `SystemCallError`.
    public init(
        paths: [String], limits: PackageLimits = .standard, progress: PackageProgress.Handler = { _ in }
    ) throws {
        var sorter = try PackageSorter(try paths.map { try DebianPackage(path: $0, limits: limits) })
        // Cheap refusals first: an image takes seconds to unpack.
        try sorter.checkThatHeadersHaveImages()
        kernels = try sorter.kernels { try ImagePackage($0, progress: progress) }
        ignored = sorter.ignored
        guard !kernels.isEmpty else {
            throw ProbeError(
                .nothingToImport,
                "There is no kernel image package among these. Give linux-image-RELEASE, linux-headers-RELEASE and the "
                    + "linux-headers package that it depends on.")
        }
    }
}
