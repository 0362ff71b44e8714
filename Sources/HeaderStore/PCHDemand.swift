public import KernelHeaders

/// What a client asked for, whichever the kernel: what the next kernel's clients may ask for, too.
public struct PCHDemand: Hashable, Sendable {
    public let toolchain: Digest
    /// A profile's name that the server knows, or its ID in hexadecimal.
    public let profile: String
    public let umbrella: String

    public init(toolchain: Digest, profile: String, umbrella: String) {
        self.toolchain = toolchain
        self.profile = profile
        self.umbrella = umbrella
    }
}
