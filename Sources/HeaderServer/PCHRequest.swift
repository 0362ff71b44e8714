import KernelHeaders

/// A PCH as a client asks for it, once the kernel is looked up.
struct PCHRequest: Hashable, Sendable {
    let tree: Digest
    /// Nil if it is not known.
    let architecture: Architecture?
    let toolchain: Digest
    /// A name, or an ID in hexadecimal.
    let profile: String
    let umbrella: String
}
