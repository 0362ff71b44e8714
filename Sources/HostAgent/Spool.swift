internal import Glibc
internal import HeaderArchive

/// The one thing an agent remembers: that this boot is not yet reported. It is a file with the boot's ID.
public struct Spool: Sendable {
    /// Where systemd gives a service its folder, and where that is without systemd.
    public static let standardFolder = "/var/lib/kheader-agent"

    public let folder: String
    private var file: String { "\(folder)/unreported" }

    /// - Parameter folder: is made if only it is missing; only its owner should be able to write it.
    public init(folder: String) { self.folder = folder }

    /// Notes that the boot is to be reported.
    ///
    /// - Throws: `SystemCallError`.
    public func mark(_ bootID: String) throws {
        guard !holds(bootID) else { return }
        if mkdir(folder, 0o755) != 0, errno != EEXIST {
            throw SystemCallError(call: "mkdir", path: folder, number: errno)
        }
        let descriptor = try SystemCallError.check("open", file) {
            open(file, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0o644)
        }
        defer { close(descriptor) }
        // A file that was cut short says as much as one that is not there.
        let sink = FileSink(borrowing: descriptor)
        try sink.write(Array((bootID + "\n").utf8))
        try sink.finish()
    }

    /// Notes that it is.
    ///
    /// - Throws: `SystemCallError`.
    public func clear() throws {
        try SystemCallError.check("unlink", file) { unlink(file) == 0 || errno == ENOENT ? 0 : -1 }
    }

    /// Whether a failed check-in can be remembered here.
    public var isUsable: Bool {
        if case .unusable = condition { false } else { true }
    }

    /// What becomes of a failed check-in here.
    public enum Condition: Equatable, Sendable {
        /// The folder is there, and can be written.
        case ready
        /// It is not there; the next check-in makes it.
        case toBeMade
        /// It can't be written, or not be made, with what the system says of that (`errno`).
        case unusable(isThere: Bool, number: CInt)
    }

    /// What this very user can do with the folder. Nothing is made.
    public var condition: Condition {
        if access(folder, W_OK | X_OK) == 0 { return .ready }
        guard errno == ENOENT else { return .unusable(isThere: true, number: errno) }
        // The last folder only, as ``mark(_:)`` makes it.
        return access(parent, W_OK | X_OK) == 0 ? .toBeMade : .unusable(isThere: false, number: errno)
    }

    private var parent: String {
        let names = folder.split(separator: "/")
        return (folder.hasPrefix("/") ? "/" : "./") + names.dropLast().joined(separator: "/")
    }

    /// Whether this very boot still waits to be reported; what is left of an earlier one does not matter any more.
    public func holds(_ bootID: String) -> Bool {
        (try? FileSource(path: file).readAll()).map { $0.elementsEqual((bootID + "\n").utf8) } ?? false
    }
}
