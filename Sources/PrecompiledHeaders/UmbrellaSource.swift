internal import Glibc
internal import HeaderArchive
internal import KernelHeaders

/// An umbrella for one kernel: the headers of it that compile there, and what they read.
struct UmbrellaSource {
    /// As programs include them, in order.
    private(set) var headers: [String] = []
    private(set) var leftOut: [PCHManifest.LeftOut] = []
    /// All files that were read, as ``ConfinedCompiler/normalised(_:)`` has their paths.
    private(set) var files: Set<String> = []

    private let compiler: ConfinedCompiler
    private let profile: CompilerProfile
    private let folder: String

    /// How many times the limit of one run all rounds together may take.
    private static let roundSeconds = 5
    private static let file = "\(ConfinedCompiler.Place.umbrella)/umbrella.h"

    /// Compiles as many of an umbrella's headers as there are.
    ///
    /// - Parameters:
    ///   - output: the PCH's file.
    ///   - step: is told 1 when macros are read, 2 when it is compiled; again if that has to be done again.
    static func compile(
        _ umbrella: Umbrella, _ profile: CompilerProfile, by compiler: ConfinedCompiler, scratch: String,
        output: String, step: (Int) -> Void
    ) async throws -> UmbrellaSource {
        var source = UmbrellaSource(compiler, profile, folder: "\(scratch)/umbrella")
        for header in umbrella.headers {
            if compiler.find(header) != nil {
                source.headers.append(header)
            } else {
                source.leftOut.append(.init(header: header, reason: "this kernel has no such header"))
            }
        }
        // Each round leaves one header out at least; those that take long before they fail must not add up.
        let limit = roundSeconds * compiler.sandbox.limits.seconds
        let start = ContinuousClock.now
        while !source.headers.isEmpty {
            try Task.checkCancellation()
            guard ContinuousClock.now - start < .seconds(limit) else {
                throw Problem(
                    .pchLimit, "The umbrella took more than \(limit) seconds to find out what of it compiles.")
            }
            step(1)
            let macros = "\(scratch)/macros"
            defer { unlink(macros) }
            try source.write(guarded: "")
            let read = try await source.run(
                ["-E", "-dM", "-o", "-", "-Xclang", "-header-include-file", "-Xclang", "-"], output: macros)
            guard read.isSuccess else {
                try await source.leaveOut(blamedBy: read.messages)
                continue
            }
            source.files = source.files(listedIn: read.messages)
            try source.write(guarded: source.guardLines(macros: macros))
            step(2)
            let compiled = try await source.run(
                ["-Xclang", "-fno-pch-timestamp", "-Xclang", "-fmodules-embed-all-files", "-o", "-"], output: output)
            if compiled.isSuccess { return source }
            try await source.leaveOut(blamedBy: compiled.messages)
        }
        let reasons = source.leftOut.map { "\($0.header): \($0.reason)" }.joined(separator: "\n")
        throw Problem(.pchBuildFailed, "No header of the umbrella '\(umbrella.name)' compiles here.\n\(reasons)")
    }

    private init(_ compiler: ConfinedCompiler, _ profile: CompilerProfile, folder: String) {
        self.compiler = compiler
        self.profile = profile
        self.folder = folder
    }

    private func run(_ arguments: [String], output: String) async throws -> Sandbox.Ending {
        try await compiler.withHeaders(
            ["-x", "c-header", Self.file] + arguments,
            mounts: [Sandbox.Mount(source: folder, target: ConfinedCompiler.Place.umbrella)], output: output)
    }

    // MARK: Text

    private func write(guarded lines: String) throws {
        try ConfinedCompiler.write(text(of: headers) + lines, to: "\(folder)/umbrella.h")
    }

    private func text(of headers: [String]) -> String {
        prologue + headers.map { "#include <\($0)>\n" }.joined()
    }

    private var prologue: String {
        profile.prologue.isEmpty || profile.prologue.hasSuffix("\n") ? profile.prologue : profile.prologue + "\n"
    }

    /// The header that a line of the umbrella includes.
    private func header(ofLine line: Int) -> String? {
        let index = line - 1 - prologue.utf8.count { $0 == UInt8(ascii: "\n") }
        return headers.indices.contains(index) ? headers[index] : nil
    }

    private func guardLines(macros: String) throws -> String {
        var macroGuard = MacroGuard()
        for file in files.sorted() where !file.hasPrefix("/") || file.hasPrefix("\(ConfinedCompiler.Place.ownHeaders)/")
        {
            guard let bytes = SmallFile.bytes(compiler.place(file)) else {
                throw Problem(
                    .pchBuildFailed, "\(file) is too large to be looked through: over \(SmallFile.limit) bytes.")
            }
            macroGuard.read(bytes)
        }
        guard let defined = SmallFile.bytes(macros) else {
            throw Problem(.pchBuildFailed, "The headers define over \(SmallFile.limit) bytes of macros.")
        }
        return macroGuard.pragmas(defined: MacroGuard.names(definedIn: defined), exempt: profile.prologue)
    }

    /// What was opened, a path a line, among warnings. (`-H` leaves out what `-include` brings.)
    private func files(listedIn messages: String) -> Set<String> {
        Set(
            messages.split(separator: "\n").compactMap { line in
                ConfinedCompiler.normalised(String(line)).flatMap { compiler.exists($0) ? $0 : nil }
            })
    }

    // MARK: Blame

    /// Leaves out the headers that an error is to blame on.
    ///
    /// - Throws: `Problem` with `pch-pair-refused` if one of them compiles as soon as the client's own headers are not there,
    ///   with `pch-build-failed` if nothing is to blame.
    private mutating func leaveOut(blamedBy messages: String) async throws {
        let found = Diagnostics(messages, umbrella: Self.file).blames
        let blamed = found.compactMap { blame in
            blame.line.flatMap { header(ofLine: $0) }.map { (header: $0, message: blame.message) }
        }
        guard !blamed.isEmpty else {
            throw Problem(
                .pchBuildFailed,
                "The headers do not compile with the flags of \(profile.name): "
                    + String(decoding: messages.utf8.prefix(SmokeCompile.detailBytes), as: UTF8.self))
        }
        for (header, message) in blamed {
            if try await compilesWithoutOwnHeaders(header) {
                throw Problem(
                    .pchPairRefused,
                    "The headers that \(profile.name) brings along do not go together with this kernel's "
                        + "<\(header)>: \(message). A newer release of the tool may.")
            }
            headers.removeAll { $0 == header }
            leftOut.append(.init(header: header, reason: message))
        }
    }

    private func compilesWithoutOwnHeaders(_ header: String) async throws -> Bool {
        var flags: [String] = []
        var rest = compiler.flags[...]
        while let flag = rest.popFirst() {
            if flag == "-include", rest.first?.hasPrefix("\(ConfinedCompiler.Place.ownHeaders)/") == true {
                rest = rest.dropFirst()
            } else {
                flags.append(flag)
            }
        }
        guard flags.count < compiler.flags.count else { return false }
        let folder = "\(folder).alone"
        try ConfinedCompiler.write("#include <\(header)>\n", to: "\(folder)/umbrella.h")
        return try await compiler.withHeaders(
            ["-fsyntax-only", "-x", "c-header", Self.file], flags: flags,
            mounts: [Sandbox.Mount(source: folder, target: ConfinedCompiler.Place.umbrella)], output: "\(folder)/none"
        ).isSuccess
    }

    // MARK: Stubs

    /// What lies in a client's folder instead of the tree; see ``PCHManifest/stubs`` and ``PCHManifest/blocked``.
    struct Stubs {
        let empty: [String]
        let blocked: [String]
    }

    func stubs() -> Stubs {
        let empty = files.filter { !$0.hasPrefix("/") && HeaderPath($0) != nil && compiler.exists($0) }
        let folders = compiler.searchFolders.filter { !$0.hasPrefix("/") }
        var blocked: Set<String> = []
        for path in empty {
            for (index, folder) in folders.enumerated() where path.hasPrefix("\(folder)/") {
                let name = path.dropFirst(folder.count + 1)
                for earlier in folders[..<index].map({ "\($0)/\(name)" })
                where !empty.contains(earlier) && compiler.exists(earlier) { blocked.insert(earlier) }
            }
        }
        return Stubs(empty: empty.sorted(), blocked: blocked.sorted())
    }
}
