internal import Glibc
internal import HeaderArchive
public import KernelHeaders

/// The kernel that runs here.
public struct RunningKernel: Sendable {
    public let identity: KernelIdentity

    /// - Parameters:
    ///   - root: where this host's `/` is, for an agent in a container: `sys` and `proc` are read below it.
    ///   - advice: a sentence for who can do without what can't be read.
    /// - Throws: ``ProbeError`` with `notesUnreadable`, `notesMalformed`, `noBuildID`.
    public init(root: String = "/", orElse advice: String? = nil) throws {
        let base = root.hasSuffix("/") ? String(root.dropLast()) : root
        let notes = "\(base)/sys/kernel/notes"
        guard let buildID = try ELFNotes(Self.readNotes(notes, advice), isBigEndian: UInt16(1).bigEndian == 1).buildID()
        else {
            throw ProbeError(
                .noBuildID,
                "\(notes) has no GNU build ID: this kernel was linked without --build-id, and can't be told from others."
            )
        }
        let names = Self.names()
        let banner = Self.read("\(base)/proc/version").flatMap { KernelBanner(procVersion: $0) }
        // In a container with its own UTS namespace uname(2) still gives the kernel's release and version.
        let release = base.isEmpty ? names.release : Self.label("\(base)/proc/sys/kernel/osrelease")
        let version = base.isEmpty ? names.version : Self.label("\(base)/proc/sys/kernel/version")
        identity = KernelIdentity(
            buildID: buildID, release: release ?? banner?.release, versionLine: banner?.line ?? version,
            architecture: names.machine.map { Architecture(machine: $0) },
            hasBTF: access("\(base)/sys/kernel/btf/vmlinux", F_OK) == 0)
    }

    /// As `uname -r` prints it on the host; nil if it can't be told, or could not be a folder's name.
    static func release(_ root: HostRoot) -> String? {
        let release = root.isHostsOwn ? names().release : label(root("/proc/sys/kernel/osrelease"))
        return release.flatMap { $0.contains("/") || $0.hasPrefix(".") ? nil : $0 }
    }

    private static func readNotes(_ path: String, _ advice: String?) throws -> [UInt8] {
        do {
            return try HostRoot.read(path: path)
        } catch let error as SystemCallError {
            let mend: String? =
                switch error.number {
                case ENOENT: "Is sysfs mounted there?"
                case EACCES, EPERM: "Run this as root."
                default: nil
                }
            let sentences = ["The running kernel's build ID can't be read (\(error.description)).", mend, advice]
            throw ProbeError(.notesUnreadable, sentences.compactMap(\.self).joined(separator: " "))
        }
    }

    /// Nil if it can't be read: release and version are labels, and a kernel is known without them.
    private static func read(_ path: String) -> [UInt8]? { try? HostRoot.read(path: path) }

    private static func label(_ path: String) -> String? { read(path).flatMap { label($0) } }

    private static func label(_ bytes: some Collection<UInt8>) -> String? {
        let line = bytes.prefix { $0 != 0 && $0 != UInt8(ascii: "\n") }
        guard !line.isEmpty, line.count <= KernelIdentity.maximumLabelLength else { return nil }
        return String(validating: line, as: UTF8.self)
    }

    private static func names() -> (release: String?, version: String?, machine: String?) {
        var names = utsname()
        guard uname(&names) == 0 else { return (nil, nil, nil) }
        func text<Field>(_ field: Field) -> String? { withUnsafeBytes(of: field) { label($0) } }
        return (text(names.release), text(names.version), text(names.machine))
    }
}
