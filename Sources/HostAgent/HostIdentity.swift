internal import HeaderArchive
public import KernelHeaders

/// Which host this is, and which boot of it.
public struct HostIdentity: Sendable, Equatable {
    /// HMAC-SHA-256 with the machine ID as its key, cut to 16 bytes, as `sd_id128_get_machine_app_specific(3)` has it: who
    /// knows it can't tell the machine ID.
    public let host: HostID
    /// `/proc/sys/kernel/random/boot_id`.
    public let bootID: String
    /// Whether the host has a machine ID. Without one ``host`` is another in each boot.
    public let isLasting: Bool

    /// - Parameter isLasting: whether `host` is the same in the next boot.
    public init(host: HostID, bootID: String, isLasting: Bool = true) {
        self.host = host
        self.bootID = bootID
        self.isLasting = isLasting
    }

    /// - Parameters:
    ///   - root: where this host's `/` is.
    ///   - salt: goes into the hash, so that the IDs of one fleet can't be told from another's; may be empty.
    /// - Throws: `Problem` with `parameter-malformed` if the boot has no ID.
    public init(root: String = "/", salt: String = "") throws {
        let base = root == "/" ? "" : root
        guard let boot = Self.line("\(base)/proc/sys/kernel/random/boot_id"), !boot.isEmpty,
            boot.utf8.count <= Sighting.maximumNameLength
        else {
            throw Problem(
                .parameterMalformed,
                "\(base)/proc/sys/kernel/random/boot_id can't be read. Mount /proc, or say with --root where it is.")
        }
        bootID = boot
        // `machine-id(5)`: 32 digits; "uninitialized" in an image that has never booted.
        let machine = ["etc/machine-id", "var/lib/dbus/machine-id"].lazy
            .compactMap { Self.line("\(base)/\($0)") }
            .first { $0.utf8.count == 32 && $0.allSatisfy(\.isHexDigit) }
        isLasting = machine != nil
        let code = SHA256Hash.authenticationCode(
            of: Array("kheaderd host\0\(salt)".utf8), key: Array((machine ?? boot).utf8))
        guard let host = HostID(bytes: code.bytes.prefix(HostID.length)) else {
            preconditionFailure("a hash has \(HostID.length) bytes")
        }
        self.host = host
    }

    private static func line(_ path: String) -> String? {
        guard let bytes = try? FileSource(path: path).readAll() else { return nil }
        return String(validating: bytes.prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)
    }
}
