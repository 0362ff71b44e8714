/// What a host can give of its kernel.
public enum Artefact: String, Codable, Sendable, CaseIterable {
    /// The kernel's headers, as an archive.
    case headers
    /// The kernel's BTF (`/sys/kernel/btf/vmlinux`).
    case btf
}
