internal import ArgumentParser
internal import KernelHeaders

/// A build ID as people write it: upper case is taken as well.
enum BuildIDArgument {
    /// - Throws: `ValidationError`.
    static func parse(_ text: String) throws -> BuildID {
        guard let id = BuildID(text.lowercased()) else {
            throw ValidationError(
                "'\(text)' is not a build ID: write 2 to \(2 * BuildID.maximumLength) hexadecimal digits, as "
                    + "'file vmlinux' or 'kheader kernels list' shows them.")
        }
        return id
    }
}
