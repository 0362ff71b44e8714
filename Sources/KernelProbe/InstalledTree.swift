internal import Glibc
public import HeaderArchive
public import KernelHeaders

/// The header trees that a distribution's package, or a kernel's own installation, left on this host: the folders
/// `/lib/modules/RELEASE/source` and `build`, one standing in for the other, or `/usr/src/linux-headers-RELEASE` and
/// `/usr/src/kernels/RELEASE`.
///
/// They are taken only if what was generated with the kernel says that they are the running kernel's:
/// `include/generated/utsrelease.h` its release, `utsversion.h` (since 6.1) or `compile.h` its version line, `version.h` the
/// first two numbers of its version. That nothing is missing or changed is for ``TreeAudit`` to say.
public struct InstalledTree: Sendable {
    /// Why a folder is not the running kernel's header tree.
    public enum Flaw: Error, Equatable, Sendable, CustomStringConvertible {
        /// There is no such folder.
        case absent(String)
        /// A symbolic link to nowhere.
        case dangling(String, target: String)
        case unreadable(String, reason: String)
        /// A file that every kernel's headers have is not there.
        case missing(String)
        /// It is empty, or does not say what it is for.
        case empty(String)
        /// It is of a kernel of another release or version.
        case anotherKernel(String, says: String, wanted: String)

        public var description: String {
            switch self {
            case .absent(let path), .missing(let path): "\(path) is not there"
            case .dangling(let path, let target): "\(path) leads to \(target), which is not there"
            case .unreadable(let path, let reason): "\(path) can't be read (\(reason))"
            case .empty(let path): "\(path) is empty"
            case .anotherKernel(let path, let says, let wanted): "\(path) is of \(says), and \(wanted) runs here"
            }
        }

        var outcome: CollectStep.Outcome {
            switch self {
            case .absent, .dangling: .missing
            case .unreadable: .unreadable
            case .missing, .empty: .damaged
            case .anotherKernel: .anotherKernel
            }
        }
    }

    private static let configuration = "include/generated/autoconf.h"

    /// Where the tree was found, for people.
    public let name: String
    /// The halves, links followed; the same folder twice where there is one only.
    public var source: String { sourcePlace.path }
    public var build: String { buildPlace.path }
    let sourcePlace: HostRoot.Place
    let buildPlace: HostRoot.Place
    /// Whether the version line was compared, which has the time of the build in it. Without it only the release is known
    /// to be the same, and that is a name.
    public private(set) var provesBuild = false

    /// Below `/lib/modules`.
    ///
    /// - Parameters:
    ///   - kernel: the running kernel.
    ///   - root: where this host's `/` is.
    /// - Throws: ``Flaw``.
    public init(modulesFolderOf kernel: KernelIdentity, root: String = "/") throws(Flaw) {
        let root = HostRoot(root)
        let release = try Self.release(of: kernel, or: root("/lib/modules"))
        let folder = "/lib/modules/\(release)"
        let halves = (Self.folder("\(folder)/source", root), Self.folder("\(folder)/build", root))
        switch halves {
        case (.success(let source), .success(let build)):
            try self.init(
                name: root("\(folder)/build"), source: source == build ? Self.shared(build, root) : source,
                build: build,
                kernel, release)
        case (.failure, .success(let build)):
            try self.init(
                name: root("\(folder)/build"), source: Self.shared(build, root), build: build, kernel, release)
        case (.success(let source), .failure(let flaw)):
            // Half of a pair whose other half is gone is no tree of its own.
            guard access("\(source.path)/\(Self.configuration)", F_OK) == 0 else { throw flaw }
            try self.init(name: root("\(folder)/source"), source: source, build: source, kernel, release)
        case (.failure, .failure(let flaw)): throw flaw
        }
    }

    /// Below `/usr/src`: Debian's and Ubuntu's `linux-headers-RELEASE`, Fedora's `kernels/RELEASE`.
    ///
    /// - Throws: ``Flaw``.
    public init(sourceFolderOf kernel: KernelIdentity, root: String = "/") throws(Flaw) {
        let root = HostRoot(root)
        let release = try Self.release(of: kernel, or: root("/usr/src"))
        var flaw = Flaw.absent(root("/usr/src/linux-headers-\(release)"))
        for path in ["/usr/src/linux-headers-\(release)", "/usr/src/kernels/\(release)"] {
            switch Self.folder(path, root) {
            case .success(let build):
                try self.init(
                    name: root(path), source: Self.shared(build, root), build: build, kernel, release)
                return
            case .failure(.absent): continue
            case .failure(let found): flaw = found
            }
        }
        throw flaw
    }

    private init(
        name: String, source: HostRoot.Place, build: HostRoot.Place, _ kernel: KernelIdentity, _ release: String
    ) throws(Flaw) {
        self.name = name
        sourcePlace = source
        buildPlace = build
        // Not through a link: folders that are links are not packed.
        if SymbolicLink.target(of: "\(source.path)/include/linux") != nil {
            throw .missing("\(source.path)/include/linux/kconfig.h")
        }
        if try Self.read("\(source.path)/include/linux/kconfig.h").isEmpty {
            throw .empty("\(source.path)/include/linux/kconfig.h")
        }
        if try Self.read("\(build.path)/\(Self.configuration)").isEmpty {
            throw .empty("\(build.path)/\(Self.configuration)")
        }
        try checkRelease(release)
        if let version = kernel.versionLine { provesBuild = try isChecked(version) }
        try checkCode(release)
    }

    /// The two merged, as the kernel's own archive has them.
    ///
    /// - Throws: as `HeaderFolder`.
    public func headers() throws -> HeaderFolder {
        try HeaderFolder(source: source, build: source == build ? nil : build)
    }

    private static func release(of kernel: KernelIdentity, or parent: String) throws(Flaw) -> String {
        guard let release = kernel.release, !release.contains("/"), !release.hasPrefix(".") else {
            throw .absent(parent)
        }
        return release
    }

    private static func folder(_ hostPath: String, _ root: HostRoot) -> Result<HostRoot.Place, Flaw> {
        let path = root(hostPath)
        do {
            let place = try root.resolve(hostPath)
            var status = stat()
            try SystemCallError.check("stat", path) { stat(place.path, &status) }
            return status.st_mode & S_IFMT == S_IFDIR ? .success(place) : .failure(.absent(path))
        } catch let error as SystemCallError where error.number == ENOENT {
            return .failure(SymbolicLink.target(of: path).map { .dangling(path, target: $0) } ?? .absent(path))
        } catch let error as SystemCallError {
            return .failure(.unreadable(path, reason: String(cString: strerror(error.number))))
        } catch {
            return .failure(.unreadable(path, reason: "\(error)"))
        }
    }

    /// The folder that has what the flavours of a kernel share: Debian's Makefile includes that folder's own, and Ubuntu's
    /// `include/linux` is a link into it. The same folder where there is none.
    private static func shared(_ build: HostRoot.Place, _ root: HostRoot) -> HostRoot.Place {
        let inside = "/include/linux"
        if SymbolicLink.target(of: build.path + inside) != nil,
            let place = try? root.resolve(build.hostPath + inside), place.hostPath.hasSuffix(inside)
        {
            return HostRoot.Place(
                path: String(place.path.dropLast(inside.count)), hostPath: String(place.hostPath.dropLast(inside.count))
            )
        }
        let makefile = (try? HostRoot.read(path: "\(build.path)/Makefile", limit: 4096)) ?? []
        for line in String(decoding: makefile, as: UTF8.self).split(separator: "\n") {
            let words = line.split(separator: " ")
            guard words.count == 2, words[0] == "include", words[1].hasPrefix("/"), words[1].hasSuffix("/Makefile"),
                case .success(let place) = folder(String(words[1].dropLast("/Makefile".count)), root)
            else { continue }
            return place
        }
        return build
    }

    private static func read(_ path: String) throws(Flaw) -> [UInt8] {
        do {
            return try HostRoot.read(path: path, limit: 4 << 20)
        } catch let error as SystemCallError where error.number == ENOENT {
            throw SymbolicLink.target(of: path).map { .dangling(path, target: $0) } ?? .missing(path)
        } catch {
            throw .unreadable(path, reason: "\(error)")
        }
    }

    private func checkRelease(_ release: String) throws(Flaw) {
        let path = "\(build)/\(GeneratedHeader.release)"
        guard let found = GeneratedHeader(try Self.read(path)).string("UTS_RELEASE") else { throw .empty(path) }
        guard found == release else { throw .anotherKernel(path, says: found, wanted: release) }
    }

    /// - Returns: whether there is a version line to compare.
    private func isChecked(_ line: String) throws(Flaw) -> Bool {
        for name in GeneratedHeader.versions {
            let path = "\(build)/\(name)"
            guard let bytes = try? Self.read(path), let version = GeneratedHeader(bytes).string("UTS_VERSION") else {
                continue
            }
            guard GeneratedHeader.isVersion(version, of: line) else {
                throw .anotherKernel(path, says: version, wanted: line)
            }
            return true
        }
        return false
    }

    private func checkCode(_ release: String) throws(Flaw) {
        let path = "\(build)/\(GeneratedHeader.code)"
        guard let code = GeneratedHeader(try Self.read(path)).number("LINUX_VERSION_CODE") else { throw .empty(path) }
        guard GeneratedHeader.isCode(code, of: release) else {
            throw .anotherKernel(path, says: "\(code >> 16).\(code >> 8 & 255).\(code & 255)", wanted: release)
        }
    }
}
