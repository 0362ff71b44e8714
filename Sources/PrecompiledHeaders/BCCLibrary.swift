internal import Glibc
internal import HeaderArchive
internal import KernelHeaders
internal import KernelProbe

/// bcc as it is installed: `libbcc.so`, out of which everything comes that a PCH for it must be compiled with.
///
/// bcc has a compiler inside, flags that it always passes, and headers of its own that are in no package: they are string
/// constants of the library, which it shows its compiler as files below `/virtual`. A PCH is good for it only if it was made
/// with the very same, byte for byte.
///
/// What differs from release to release is read out of the library; nothing is guessed. A library of another shape is
/// ``Unusable``.
public struct BCCLibrary: Sendable {
    /// Why no PCH can be made for a bcc, in a sentence.
    public struct Unusable: Error, Equatable, CustomStringConvertible {
        public let description: String

        init(_ path: String, _ reason: String) { description = "\(path) is not used: \(reason)." }
    }

    /// The most bytes of a library read. Debian's has 3.4 MB; one with a clang of its own inside some 100.
    static let fileLimit = 256 << 20

    /// The library's file, links not followed.
    public let path: String
    /// As the file's name has it: `0.26.0`.
    public let version: String
    /// What bcc compiles a program with; its name is `bcc-VERSION`.
    public let profile: CompilerProfile
    /// The library with bcc's compiler in it, as this one names it: `libclang-cpp.so.14`.
    public let compilerLibrary: String

    private let root: String

    /// The first bcc that is found and can be used.
    ///
    /// - Parameter root: where the host's `/` is.
    public static func find(root: String = "/") -> BCCLibrary? {
        locate(root: root).flatMap { try? BCCLibrary(path: $0.path, version: $0.version, root: root) }
    }

    /// Where the bcc is that programs get: `libbcc.so.0` in the first folder that has it, which is a link to a file named
    /// after its version, `libbcc.so.0.26.0`.
    ///
    /// - Parameter root: where the host's `/` is.
    public static func locate(root: String = "/") -> (path: String, version: String)? {
        let folders = LoaderFolders.list(root: root)
        guard let path = folders.lazy.compactMap({ resolved("\($0)/libbcc.so.0") }).first,
            let name = path.split(separator: "/").last, name.hasPrefix("libbcc.so.")
        else { return nil }
        return (path, String(name.dropFirst("libbcc.so.".count)))
    }

    /// - Parameters:
    ///   - version: what the file is named after.
    ///   - root: where the host's `/` is.
    /// - Throws: ``Unusable``.
    public init(path: String, version: String, root: String = "/") throws {
        let library: SharedLibrary
        do {
            library = try SharedLibrary(path: path, limit: Self.fileLimit)
        } catch {
            throw Unusable(path, "\(error)".hasSuffix(".") ? String("\(error)".dropLast()) : "\(error)")
        }
        guard Self.isVersion(version) else { throw Unusable(path, "'\(version)' is no version") }
        try self.init(library, path: path, version: version, root: root)
    }

    init(_ library: SharedLibrary, path: String, version: String, root: String = "/") throws {
        guard let compiler = library.needed.first(where: Self.isCompiler) else {
            throw Unusable(
                path, "it is linked with no libclang-cpp or libLLVM, so which clang it has inside can't be told")
        }
        guard let architecture = library.architecture, let triple = Self.triple(architecture) else {
            throw Unusable(
                path, "the flags of its machine (\(library.architecture?.machine ?? "unknown")) are not known")
        }
        let contents = BCCLibraryContents(library)
        do {
            profile = CompilerProfile(
                name: "bcc-\(version)", flags: try contents.flags(architecture, triple: triple),
                headers: try contents.headers(), prologue: try contents.prologue(), isFoundByName: true)
        } catch let flaw as BCCLibraryContents.Flaw {
            throw Unusable(path, flaw.description)
        }
        self.path = path
        self.version = version
        self.root = root
        compilerLibrary = compiler
    }

    /// The version of the package that bcc's compiler came in: `1:14.0.6-12`. A clang of the same source has the same.
    ///
    /// - Returns: nil if the library is not found, or no package manager knows it.
    public func clangPackage() async -> String? {
        guard let file = compilerFile else { return nil }
        return await PackageVersion.ofFile(file)
    }

    /// The file of ``compilerLibrary``, links followed; nil if it is in no folder of libraries.
    public var compilerFile: String? { Self.compilerFile(compilerLibrary, root: root) }

    /// The file of a library that bcc has its compiler in; as ``compilerFile``.
    public static func compilerFile(_ compilerLibrary: String, root: String = "/") -> String? {
        LoaderFolders.list(root: root).lazy.compactMap { resolved("\($0)/\(compilerLibrary)") }.first
    }

    /// The release of the compiler, out of its library's name: 14.
    public var clangMajor: Int? { Self.clangMajor(compilerLibrary) }

    /// As ``clangMajor``, of any such library.
    public static func clangMajor(_ compilerLibrary: String) -> Int? {
        let digits = compilerLibrary.drop { !$0.isNumber }.prefix { $0.isNumber }
        return Int(digits)
    }

    // MARK: Looking

    /// The file at a path, links followed; nil if there is none.
    private static func resolved(_ path: String) -> String? {
        guard let resolved = realpath(path, nil) else { return nil }
        defer { free(resolved) }
        return String(cString: resolved)
    }

    private static func isVersion(_ text: String) -> Bool {
        (1...32).contains(text.utf8.count)
            && text.utf8.allSatisfy { (0x30...0x39).contains($0) || $0 == UInt8(ascii: ".") }
    }

    /// The front end is in the one, and where that is inside bcc itself, the other tells which release it is.
    private static func isCompiler(_ name: String) -> Bool {
        name.hasPrefix("libclang-cpp.so.") || name.hasPrefix("libclang-cpp-")
    }

    /// `get_clang_target` in `src/cc/frontends/clang/loader.cc` and `arch_helper.h`; nil for machines that pass flags of
    /// their own.
    private static func triple(_ architecture: Architecture) -> String? {
        switch architecture.machine {
        case "x86_64", "aarch64", "riscv64", "loongarch64": "\(CompilerProfile.Placeholder.machine)-unknown-linux-gnu"
        case "s390x": "s390x-ibm-linux-gnu"
        case "ppc64le": "powerpc64le-unknown-linux-gnu"
        case "ppc64": "powerpc64-unknown-linux-gnu"
        default: nil
        }
    }
}
