internal import HeaderArchive
internal import KernelHeaders
internal import PrecompiledHeaders

/// Whether a PCH's manifest can be followed. It says which files are made on this host, and what a compiler is told to do.
enum ManifestCheck {
    /// What is wrong, in a few words.
    struct Flaw: Error, Equatable {
        let reason: String
    }

    /// The most bytes of a PCH taken. One of all umbrellas has 30 MB.
    static let bytesLimit = 256 << 20
    /// The most files made beside it. A PCH of much has some 1500; a kernel has 7000 headers.
    static let filesLimit = 20_000
    private static let argumentsLimit = 256
    /// What stubs must not make: clang would look for PCHs in it.
    private static let folderOfPCHs = Array(".pch/".utf8)

    /// - Throws: ``Flaw``.
    static func check(_ manifest: PCHManifest, for request: PCHRequest) throws {
        guard manifest.toolchain == request.toolchain else { throw Flaw(reason: "for another toolchain") }
        guard manifest.umbrella == request.umbrella else { throw Flaw(reason: "of another umbrella") }
        guard "\(manifest.profile)" == request.profile || manifest.profileName == request.profile else {
            throw Flaw(reason: "for another profile")
        }
        guard manifest.rank == .server || request.acceptsBuilders else { throw Flaw(reason: "of a builder's PCH") }
        try check(manifest)
    }

    /// - Throws: ``Flaw``.
    static func check(_ manifest: PCHManifest) throws {
        guard (1...bytesLimit).contains(manifest.bytes) else {
            throw Flaw(reason: "of a PCH of \(manifest.bytes) bytes")
        }
        let paths = manifest.stubs + manifest.blocked
        guard paths.count <= filesLimit, manifest.headers.count <= filesLimit else {
            throw Flaw(reason: "with over \(filesLimit) paths")
        }
        for path in paths {
            guard let path = HeaderPath(path), path.string.hasPrefix("include/") || path.string.hasPrefix("arch/"),
                path.string.hasSuffix(".h"), Array(path.string.utf8).offset(of: folderOfPCHs) == nil
            else { throw Flaw(reason: "with a path that is none of a header's, '\(path.prefix(100))'") }
        }
        guard manifest.arguments.count <= argumentsLimit else {
            throw Flaw(reason: "with over \(argumentsLimit) arguments")
        }
        try check(arguments: manifest.arguments)
    }

    /// clang can be told to load and write files. What a profile may have is all that headers need; folders are those of the
    /// stubs.
    private static func check(arguments: [String]) throws {
        do {
            try CompilerProfile(
                name: "arguments",
                flags: arguments.map { $0.replacingStubs() }
            ).check()
        } catch {
            throw Flaw(reason: "with an argument that headers don't need: \(error)")
        }
    }
}

extension String {
    /// The placeholder is a folder of the tree's: what follows it must be one, too.
    fileprivate func replacingStubs() -> String {
        let placeholder = "{stubs}"
        for prefix in ["-I", ""] where hasPrefix(prefix + placeholder) {
            return prefix + "stubs" + dropFirst(prefix.count + placeholder.count)
        }
        return self
    }
}
