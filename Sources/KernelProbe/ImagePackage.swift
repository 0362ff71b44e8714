internal import HeaderArchive
internal import KernelHeaders

/// A package with a kernel's image, and what the image says.
struct ImagePackage: Sendable {
    let package: DebianPackage
    let identity: KernelIdentity
    let btf: [UInt8]?
    /// As `uname -r` prints it.
    let release: String

    /// Reads the package as far as its image, which is among the first files.
    ///
    /// - Returns: nil if it has none, as meta-packages have.
    /// - Throws: ``ProbeError`` with `packageMismatch`, or what the image gives.
    init?(_ package: DebianPackage, progress: PackageProgress.Handler) throws {
        self.package = package
        var found: (release: String, bytes: [UInt8])?
        try package.readFiles(progress: progress) { entry, reader in
            guard entry.kind == .file, let release = Self.release(entry.name) else { return true }
            guard entry.size <= package.limits.imageBytes else {
                throw ProbeError(
                    .tooLarge, "The kernel image has \(entry.size) bytes; the limit is \(package.limits.imageBytes).")
            }
            var bytes: [UInt8] = []
            try reader.readContents { bytes.append(contentsOf: $0) }
            found = (release, bytes)
            return false
        }
        guard let found else { return nil }
        do {
            let image = try KernelImage(found.bytes, limit: package.limits.imageUnpackedBytes)
            (identity, btf) = (image.identity, image.btf)
        } catch let error as ProbeError {
            throw ProbeError(error.reason, "\(package.path): boot/vmlinuz-\(found.release): \(error.description)")
        }
        release = found.release
        guard identity.release == release else {
            throw ProbeError(
                .packageMismatch,
                "\(package.path): boot/vmlinuz-\(release) is the kernel \(identity.release ?? "of no release").")
        }
    }

    /// What follows `boot/vmlinuz-`, or `boot/vmlinux-` on architectures that boot an ELF file.
    private static func release(_ name: [UInt8]) -> String? {
        guard let path = try? HeaderPath(normalising: name), path.components.count == 2, path.components[0] == "boot"
        else {
            return nil
        }
        let file = path.components[1]
        for prefix in ["vmlinuz-", "vmlinux-"] where file.hasPrefix(prefix) {
            return String(file.dropFirst(prefix.count))
        }
        return nil
    }
}
