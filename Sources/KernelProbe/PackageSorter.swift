internal import HeaderArchive
internal import KernelHeaders

/// Finds the packages that make a kernel.
struct PackageSorter {
    private var images: [DebianPackage] = []
    private var headers: [DebianPackage] = []
    /// Paths of header packages that a kernel uses.
    private var used: Set<String> = []
    private(set) var ignored: [KernelPackages.Ignored] = []

    /// - Throws: ``ProbeError`` with `packageDamaged`.
    init(_ packages: [DebianPackage]) throws {
        for package in packages {
            if Self.isImage(package.name) {
                images.append(package)
            } else if !Self.isHeaders(package.name) {
                ignore(package, "\(package.name) is neither a kernel's image nor its headers")
            } else if try !Self.hasTree(package) {
                ignore(package, "\(package.name) has no files in usr/src, as a meta-package")
            } else {
                headers.append(package)
            }
        }
    }

    /// A header package that depends on another is a kernel's own; its image must be there.
    ///
    /// - Throws: ``ProbeError`` with `packageMissing`.
    func checkThatHeadersHaveImages() throws {
        for package in headers where package.name.hasPrefix("linux-headers-") && commonDependency(of: package) != nil {
            let release = String(package.name.dropFirst("linux-headers-".count))
            guard images.contains(where: { Self.isImage($0.name, of: release) }) else {
                throw ProbeError(
                    .packageMissing,
                    "The image of kernel \(release) is missing: give the package linux-image-\(release) (= \(package.version)) "
                        + "too, as only the image tells the build ID.")
            }
        }
    }

    /// The kernels, sorted by release. What no kernel needs is in ``ignored`` then.
    ///
    /// - Parameter open: reads an image; nil if the package has none.
    /// - Throws: ``ProbeError`` with `packageMissing`, `packageMismatch`; what `open` throws.
    mutating func kernels(_ open: (DebianPackage) throws -> ImagePackage?) throws -> [DistributionKernel] {
        var kernels: [DistributionKernel] = []
        for package in images {
            guard let image = try open(package) else {
                ignore(package, "\(package.name) has no boot/vmlinuz, as a meta-package")
                continue
            }
            let twin = kernels.first { $0.release == image.release && $0.version == package.version }
            if let twin {
                // Debian has each image signed and unsigned, around the same kernel.
                guard twin.identity.buildID == image.identity.buildID else {
                    throw ProbeError(
                        .packageMismatch,
                        "\(package.path) is another build of \(twin.release) \(twin.version) than the other image given. "
                            + "Import one of them.")
                }
                ignore(package, "another package has the same image")
                continue
            }
            kernels.append(try kernel(of: image))
        }
        for package in headers where !used.contains(package.path) {
            ignore(package, "no kernel among the images needs \(package.title)")
        }
        return kernels.sorted { ($0.release, $0.version) < ($1.release, $1.version) }
    }

    private mutating func ignore(_ package: DebianPackage, _ reason: String) {
        ignored.append(KernelPackages.Ignored(path: package.path, reason: reason))
    }

    private mutating func kernel(of image: ImagePackage) throws -> DistributionKernel {
        let name = "linux-headers-\(image.release)"
        let version = image.package.version
        let flavour = try find(name, version, of: image) {
            $0.version == version && $0.architecture == image.package.architecture
        }
        var common: DebianPackage?
        if let relation = commonDependency(of: flavour) {
            let wanted = relation.comparison == "=" ? relation.version ?? version : version
            common = try find(relation.name, wanted, of: image) { $0.version == wanted }
        }
        used.formUnion([flavour.path] + (common.map { [$0.path] } ?? []))
        return DistributionKernel(
            identity: image.identity, btf: image.btf, release: image.release, version: version, flavour: flavour,
            common: common)
    }

    private func find(
        _ name: String, _ version: String, of image: ImagePackage, where fits: (DebianPackage) -> Bool
    ) throws -> DebianPackage {
        let candidates = headers.filter { $0.name == name }
        if let package = candidates.first(where: fits) { return package }
        guard let other = candidates.first else {
            throw ProbeError(
                .packageMissing,
                "Headers of kernel \(image.release) are missing: give the package \(name) (= \(version)) too.")
        }
        throw ProbeError(
            .packageMismatch,
            "\(other.path) is \(other.title) (\(other.architecture)), but \(image.package.title) (\(image.package.architecture)) "
                + "needs \(name) \(version): headers of another build are not this kernel's.")
    }

    /// The package of shared headers that a kernel's own header package depends on.
    private func commonDependency(of package: DebianPackage) -> DebianControl.Relation? {
        package.depends.lazy.compactMap { alternatives in
            alternatives.first { Self.isHeaders($0.name) }
        }.first
    }

    private static func hasTree(_ package: DebianPackage) throws -> Bool {
        var found = false
        try package.readFiles { entry, _ in
            let path = try? HeaderPath(normalising: entry.name)
            found = path?.string.hasPrefix("usr/src/linux-") ?? false
            return !found
        }
        return found
    }

    /// `linux-headers-6.1.0-56-amd64`; of Ubuntu's variants, the shared headers are `linux-aws-headers-6.8.0-1010`.
    private static func isHeaders(_ name: String) -> Bool {
        let words = name.split(separator: "-", omittingEmptySubsequences: false)
        guard words.first == "linux", let word = words.dropLast().firstIndex(of: "headers") else { return false }
        return isReleased(name, prefix: words[...word].joined(separator: "-") + "-")
    }

    private static func isImage(_ name: String) -> Bool {
        // Of debugging symbols: a vmlinux elsewhere, of a gigabyte.
        guard !name.hasSuffix("-dbg"), !name.hasSuffix("-dbgsym") else { return false }
        return isReleased(name, prefix: "linux-image-") || isReleased(name, prefix: "linux-image-unsigned-")
    }

    /// Whether the name is an image's of a release: signed, unsigned in Debian's way, or in Ubuntu's.
    private static func isImage(_ name: String, of release: String) -> Bool {
        ["linux-image-\(release)", "linux-image-\(release)-unsigned", "linux-image-unsigned-\(release)"].contains(name)
    }

    /// Whether a release follows; else it is a meta-package (`linux-image-amd64`).
    private static func isReleased(_ name: String, prefix: String) -> Bool {
        guard name.hasPrefix(prefix), let first = name.utf8.dropFirst(prefix.utf8.count).first else { return false }
        return (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(first)
    }
}
