/// What is known of a kernel. Only the build ID is its key; the rest is a label, and may be missing.
public struct KernelIdentity: Hashable, Sendable, Codable {
    /// The key.
    public var buildID: BuildID
    /// As `uname -r` prints it: `6.1.0-56-amd64`.
    public var release: String?
    /// As `/proc/version` has it after `Linux version `, or as `uname -v` prints it.
    public var versionLine: String?
    public var architecture: Architecture?
    /// Whether the kernel carries BTF (`/sys/kernel/btf/vmlinux`, or a `.BTF` section); nil if it was not looked at.
    public var hasBTF: Bool?

    public init(
        buildID: BuildID, release: String? = nil, versionLine: String? = nil, architecture: Architecture? = nil,
        hasBTF: Bool? = nil
    ) {
        self.buildID = buildID
        self.release = release
        self.versionLine = versionLine
        self.architecture = architecture
        self.hasBTF = hasBTF
    }

    /// The longest release or version line taken, in bytes. The kernel's own limit is 64 for each (`__NEW_UTS_LEN`);
    /// `/proc/version` adds the compiler's version.
    public static let maximumLabelLength = 1024
}
