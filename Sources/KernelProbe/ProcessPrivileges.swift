internal import CLinux
internal import Glibc
internal import HeaderArchive

/// What the kernel lets this process do beyond what its user may (capabilities(7)).
public enum ProcessPrivileges {
    /// One capability, by its number in `<linux/capability.h>`.
    public struct Capability: Hashable, Sendable {
        let number: CInt

        /// `CAP_SYS_MODULE`.
        public static let loadModules = Capability(number: KHD_CAP_SYS_MODULE)
        /// `CAP_DAC_OVERRIDE`: files of others.
        public static let useFilesOfOthers = Capability(number: 1)
    }

    /// Gives up all capabilities but some, for good: effective, permitted, inheritable, ambient and, where that is allowed,
    /// bounding; and any that a program run later would bring (`no_new_privs`). An ordinary user, who has none, loses
    /// nothing.
    ///
    /// They belong to threads, and threads that are started later inherit them: this must be called while there is one.
    /// A root without capabilities can still read and write what root owns, by its mode.
    ///
    /// - Parameter keeping: those of them that are held stay.
    /// - Throws: `SystemCallError`; ``ProbeError`` with `privilegesKept` if there are other threads.
    public static func drop(keeping: Set<Capability> = []) throws {
        guard (try? FolderListing.names(in: "/proc/self/task").count) ?? 1 <= 1 else {
            throw ProbeError(
                .privilegesKept, "Privileges can't be dropped: other threads run already, and would keep them.")
        }
        let kept = keeping.reduce(UInt64(0)) { $0 | 1 << UInt64($1.number) }
        for number in CInt(0)..<64 where kept & 1 << UInt64(number) == 0 {
            // Fails without CAP_SETPCAP, and behind the last one that this kernel has.
            guard khd_drop_bounding_capability(number) == 0 else { break }
        }
        // Fails before Linux 4.3, which has no such set.
        _ = khd_clear_ambient_capabilities()
        try SystemCallError.check("prctl", nil) { khd_set_no_new_privileges() }
        var held = khd_capabilities()
        try SystemCallError.check("capget", nil) { khd_get_capabilities(&held) }
        held.permitted &= kept
        held.effective &= kept
        held.inheritable = 0
        try SystemCallError.check("capset", nil) { khd_set_capabilities(&held) }
    }

    /// Whether this thread has `CAP_SYS_MODULE`.
    public static var mayLoadModules: Bool {
        var held = khd_capabilities()
        guard khd_get_capabilities(&held) == 0 else { return false }
        return held.effective & 1 << UInt64(KHD_CAP_SYS_MODULE) != 0
    }
}
