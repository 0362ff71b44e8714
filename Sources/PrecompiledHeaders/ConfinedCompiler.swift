internal import Glibc
internal import HeaderArchive
internal import KernelHeaders

/// A clang in the sandbox with one tree and one profile, everything at the paths that PCHs have in them: two servers, or
/// one that has moved, make the same bytes.
struct ConfinedCompiler: Sendable {
    /// Where things are inside. None of these may be there where a PCH is used: clang would compare what it finds.
    enum Place {
        static let tree = "/kernel-headers"
        static let ownHeaders = "/virtual"
        static let umbrella = "/umbrella"
        static let stubs = "/stubs"
        static let program = "/program"
        static let precompiled = "/precompiled"
    }

    let sandbox: Sandbox
    let toolchain: InstalledToolchain
    /// The profile's, for the tree's architecture.
    let flags: [String]
    /// The folder with the tree.
    let tree: String
    /// A folder of this compiler's own.
    let scratch: String

    /// Puts the profile's own headers into the scratch folder.
    ///
    /// - Throws: `Problem` with `pch-build-failed` for an architecture that can't be one: its name comes from whoever sent the
    ///   headers, and becomes part of the flags. `SystemCallError`.
    init(
        sandbox: Sandbox, toolchain: InstalledToolchain, profile: CompilerProfile, architecture: Architecture,
        tree: String, scratch: String
    ) throws {
        self.sandbox = sandbox
        self.toolchain = toolchain
        let isName = architecture.machine.utf8.allSatisfy {
            $0 == UInt8(ascii: "_") || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0)
                || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0 | 0x20)
        }
        guard isName, (1...32).contains(architecture.machine.utf8.count) else {
            throw Problem(.pchBuildFailed, "The headers are said to be for a machine that can't be one's name.")
        }
        flags = profile.flags(for: architecture)
        self.tree = tree
        self.scratch = scratch
        try Self.makeFolder(ownHeaders)
        for (path, text) in profile.headers {
            try Self.write(text, to: ownHeaders + path.dropFirst(Place.ownHeaders.count))
        }
    }

    private var ownHeaders: String { "\(scratch)/virtual" }

    /// Compiles with the tree's headers.
    ///
    /// - Parameters:
    ///   - flags: nil for the profile's.
    ///   - output: the file of standard output.
    func withHeaders(
        _ arguments: [String], flags: [String]? = nil, mounts: [Sandbox.Mount] = [], output: String
    ) async throws -> Sandbox.Ending {
        try await run(
            (flags ?? self.flags) + arguments, [Sandbox.Mount(source: tree, target: Place.tree)] + mounts,
            folder: Place.tree, output: output)
    }

    /// Compiles with a PCH and empty files, and no header of the tree, as a client does.
    ///
    /// - Parameters:
    ///   - flags: the client's.
    ///   - stubs: the folder of the empty files.
    func withStubs(
        _ arguments: [String], flags: [String], stubs: String, mounts: [Sandbox.Mount], output: String
    ) async throws -> Sandbox.Ending {
        try await run(
            flags + arguments, [Sandbox.Mount(source: stubs, target: Place.stubs)] + mounts, folder: Place.stubs,
            output: output)
    }

    /// Without any header.
    func plain(_ arguments: [String], mounts: [Sandbox.Mount], output: String) async throws -> Sandbox.Ending {
        try await run(arguments, mounts, folder: "/", output: output)
    }

    private func run(
        _ arguments: [String], _ mounts: [Sandbox.Mount], folder: String, output: String
    ) async throws -> Sandbox.Ending {
        let own = Sandbox.Mount(source: ownHeaders, target: Place.ownHeaders)
        return try await sandbox.run(
            toolchain, ["-fno-color-diagnostics"] + arguments, mounts: [own] + mounts, folder: folder, output: output)
    }

    // MARK: Files

    /// Where a profile's `-I` and `-isystem` lead, in the order in which clang looks: own headers by their absolute path,
    /// folders of the tree relative to it.
    var searchFolders: [String] {
        var folders: [String] = []
        var system: [String] = []
        var rest = flags[...]
        while let flag = rest.popFirst() {
            switch flag {
            case "-isystem", "-idirafter": system += rest.popFirst().map { [$0] } ?? []
            case "-I": folders += rest.popFirst().map { [$0] } ?? []
            case let flag where flag.hasPrefix("-I"): folders.append(String(flag.dropFirst(2)))
            default: break
            }
        }
        return (folders + system).compactMap { Self.normalised($0) }
    }

    /// Where a header would be found; nil if nowhere.
    func find(_ header: String) -> String? {
        searchFolders.lazy.map { "\($0)/\(header)" }.first { exists($0) }
    }

    /// - Parameter path: as ``searchFolders`` has them.
    func exists(_ path: String) -> Bool {
        var status = stat()
        return stat(place(path), &status) == 0 && status.st_mode & S_IFMT == S_IFREG
    }

    /// The file of this host that has the contents of a path inside.
    func place(_ path: String) -> String {
        path.hasPrefix("\(Place.ownHeaders)/") ? ownHeaders + path.dropFirst(Place.ownHeaders.count) : "\(tree)/\(path)"
    }

    /// A path as clang prints it (`./include/linux/../net/sock.h`), as text: relative to the tree, or absolute for what is not
    /// in it; nil for one that leads above the tree.
    static func normalised(_ path: String) -> String? {
        var path = path[...]
        if path.hasPrefix("\(Place.tree)/") { path = path.dropFirst(Place.tree.count + 1) }
        let isAbsolute = path.hasPrefix("/")
        var parts: [Substring] = []
        for part in path.split(separator: "/") where part != "." {
            guard part == ".." else {
                parts.append(part)
                continue
            }
            guard parts.popLast() != nil else { return nil }
        }
        return (isAbsolute ? "/" : "") + parts.joined(separator: "/")
    }

    static func makeFolder(_ path: String) throws {
        var made = path.hasPrefix("/") ? "" : "."
        for part in path.split(separator: "/") {
            made += "/\(part)"
            guard mkdir(made, 0o755) == 0 || errno == EEXIST || access(made, X_OK) == 0 else {
                throw SystemCallError(call: "mkdir", path: made, number: errno)
            }
        }
    }

    /// Writes a file, making the folders above it.
    static func write(_ text: some StringProtocol, to path: String) throws {
        if let slash = path.lastIndex(of: "/") { try makeFolder(String(path[..<slash])) }
        let descriptor = try SystemCallError.check("open", path) {
            open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0o644)
        }
        defer { close(descriptor) }
        let sink = FileSink(borrowing: descriptor)
        try sink.write(Array(text.utf8))
        try sink.finish()
    }
}
