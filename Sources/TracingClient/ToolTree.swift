internal import Glibc
internal import HeaderArchive

/// A folder with a kernel's headers, or a pair of source and build folder, as a tracing tool finds it: what there is, and
/// whether a tool can compile with it.
public struct ToolTree: Sendable, Equatable {
    /// The kernel's own headers.
    public let source: String
    /// Those that its build made; often the same folder.
    public let build: String

    public init(source: String, build: String? = nil) {
        self.source = source
        self.build = build ?? source
    }

    /// What a tool meets.
    public enum State: Sendable, Equatable {
        case missing
        /// A link that leads to nothing.
        case dangling(target: String)
        case notAFolder
        /// It is there, and this user may not look into it.
        case unreadable
        /// Files that every compilation needs are missing, empty, or not for this user to read.
        case incomplete([String])
        /// Complete; with the release that its `utsrelease.h` names. kheaders have one, and so has each distribution's
        /// package.
        case complete(release: String?)
    }

    /// What every compilation reads first: bcc and bpftrace include `kconfig.h` before all else, which includes
    /// `autoconf.h`.
    static let needed = ["include/linux/kconfig.h", "include/generated/autoconf.h"]

    public var state: State {
        for folder in source == build ? [source] : [source, build] {
            let state = Self.folderState(folder)
            if case .complete = state { continue }
            return state
        }
        let lacking = Self.needed.filter { name in !has(name) }
        return lacking.isEmpty ? .complete(release: release) : .incomplete(lacking)
    }

    /// Whether a regular file of this name is in one of the two folders, with something in it that this user may read.
    public func has(_ name: String) -> Bool { [build, source].contains { Self.isFile("\($0)/\(name)") } }

    /// The folder below `arch/` with generated headers; nil if there is none, or several.
    public var architecture: String? {
        let names = ((try? FolderListing.names(in: "\(build)/arch")) ?? []).filter {
            var status = stat()
            return stat("\(build)/arch/\($0)/include/generated", &status) == 0
        }
        return names.count == 1 ? names[0] : nil
    }

    /// As `#define UTS_RELEASE "6.1.0-56-amd64"` has it.
    public var release: String? {
        let name = "include/generated/utsrelease.h"
        let text = SmallFile.text("\(build)/\(name)") ?? SmallFile.text("\(source)/\(name)")
        let parts = (text ?? "").split(separator: "\"", omittingEmptySubsequences: false)
        return parts.count >= 3 && !parts[1].isEmpty ? String(parts[1]) : nil
    }

    private static func folderState(_ path: String) -> State {
        var status = stat()
        guard stat(path, &status) == 0 else {
            if errno == EACCES { return .unreadable }
            return SymbolicLink.target(of: path).map { .dangling(target: $0) } ?? .missing
        }
        guard status.st_mode & S_IFMT == S_IFDIR else { return .notAFolder }
        return access(path, R_OK | X_OK) == 0 ? .complete(release: nil) : .unreadable
    }

    /// Whether this user may run it.
    static func isProgram(_ path: String) -> Bool { isFile(path) && access(path, X_OK) == 0 }

    private static func isFile(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFREG && status.st_size > 0
            && access(path, R_OK) == 0
    }
}

extension ToolTree.State: CustomStringConvertible {
    /// In a few words, for a report.
    public var description: String {
        switch self {
        case .missing: "not there"
        case .dangling(let target): "a link to \(target), which is not there"
        case .notAFolder: "not a folder"
        case .unreadable: "not for this user to read"
        case .incomplete(let names): "without \(names.joined(separator: " and "))"
        case .complete(let release): release.map { "headers of \($0)" } ?? "headers of a kernel that they don't name"
        }
    }
}
