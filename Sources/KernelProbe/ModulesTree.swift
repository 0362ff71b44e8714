internal import Glibc
public import HeaderArchive
public import KernelHeaders

/// The header trees that a distribution's package, or a kernel's own installation, left on this host:
/// `/lib/modules/RELEASE/source` and `build`, one standing in for the other.
///
/// They are believed only if what was generated with the kernel says that they are the running kernel's:
/// `include/generated/utsrelease.h` its release, and `utsversion.h` (since 6.1) or `compile.h` its version line.
public struct ModulesTree: Sendable {
    /// Why a folder is not the running kernel's header tree.
    public enum Flaw: Error, Equatable, Sendable, CustomStringConvertible {
        case missing(String)
        /// A symbolic link to nowhere.
        case dangling(String, target: String)
        case unreadable(String, reason: String)
        /// A file that every kernel's headers have is empty.
        case empty(String)
        /// It is of a kernel of another release or version.
        case anotherKernel(String, says: String, wanted: String)

        public var description: String {
            switch self {
            case .missing(let path): "\(path) is not there"
            case .dangling(let path, let target): "\(path) leads to \(target), which is not there"
            case .unreadable(let path, let reason): "\(path) can't be read (\(reason))"
            case .empty(let path): "\(path) is empty"
            case .anotherKernel(let path, let says, let wanted): "\(path) is of \(says), and \(wanted) runs here"
            }
        }
    }

    /// The halves; the same folder twice where there is one only.
    public let source: String
    public let build: String

    /// - Parameters:
    ///   - kernel: the running kernel.
    ///   - root: where this host's `/` is.
    /// - Throws: ``Flaw``.
    public init(of kernel: KernelIdentity, root: String = "/") throws(Flaw) {
        let base = root == "/" ? "" : root
        guard let release = kernel.release, !release.contains("/") else { throw .missing("\(base)/lib/modules") }
        let folder = "\(base)/lib/modules/\(release)"
        let halves = (Self.folder("\(folder)/source"), Self.folder("\(folder)/build"))
        switch halves {
        case (.success(let source), .success(let build)): (self.source, self.build) = (source, build)
        case (.failure, .success(let build)): (self.source, self.build) = (build, build)
        case (.success(let source), .failure): (self.source, self.build) = (source, source)
        case (.failure, .failure(let flaw)): throw flaw
        }
        try Self.check("\(source)/include/linux/kconfig.h")
        try Self.check("\(build)/include/generated/autoconf.h")
        try checkRelease(release)
        if let version = kernel.versionLine { try checkVersion(version) }
    }

    /// The two merged, as the kernel's own archive has them.
    ///
    /// - Throws: as `HeaderFolder`.
    public func headers() throws -> HeaderFolder {
        try HeaderFolder(source: source, build: source == build ? nil : build)
    }

    private static func folder(_ path: String) -> Result<String, Flaw> {
        var status = stat()
        if stat(path, &status) == 0 {
            return status.st_mode & S_IFMT == S_IFDIR ? .success(path) : .failure(.missing(path))
        }
        let number = errno
        guard number == ENOENT else {
            return .failure(.unreadable(path, reason: String(cString: strerror(number))))
        }
        return .failure(SymbolicLink.target(of: path).map { .dangling(path, target: $0) } ?? .missing(path))
    }

    private static func check(_ file: String) throws(Flaw) {
        if try read(file).isEmpty { throw .empty(file) }
    }

    private static func read(_ path: String) throws(Flaw) -> [UInt8] {
        do {
            return try FileSource(path: path).readAll()
        } catch let error as SystemCallError where error.number == ENOENT {
            throw .missing(path)
        } catch {
            throw .unreadable(path, reason: "\(error)")
        }
    }

    private func checkRelease(_ release: String) throws(Flaw) {
        let path = "\(build)/include/generated/utsrelease.h"
        let text = String(decoding: try Self.read(path), as: UTF8.self)
        guard let found = Self.definition("UTS_RELEASE", in: text) else { throw .empty(path) }
        guard found == release else { throw .anotherKernel(path, says: found, wanted: release) }
    }

    /// - Parameter line: as `uname -v` prints it, or all of `/proc/version`, which ends in it.
    private func checkVersion(_ line: String) throws(Flaw) {
        for name in ["utsversion.h", "compile.h"] {
            let path = "\(build)/include/generated/\(name)"
            guard let bytes = try? Self.read(path),
                let version = Self.definition("UTS_VERSION", in: String(decoding: bytes, as: UTF8.self))
            else { continue }
            guard line.hasSuffix(version) else { throw .anotherKernel(path, says: version, wanted: line) }
            return
        }
    }

    /// The string that a macro is defined as.
    private static func definition(_ macro: String, in text: String) -> String? {
        for line in text.split(separator: "\n") {
            let parts = line.split(separator: "\"", omittingEmptySubsequences: false)
            guard parts.count == 3, parts[0].split(whereSeparator: \.isWhitespace) == ["#define", Substring(macro)]
            else {
                continue
            }
            return String(parts[1])
        }
        return nil
    }
}
