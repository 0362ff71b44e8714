internal import Glibc
internal import HeaderArchive
internal import KernelHeaders

/// Makes PCHs, and proves each before it is given out.
///
/// An umbrella's source is the profile's prologue, a line `#include <…>` a header, and the lines of ``MacroGuard``. A header
/// that a kernel does not have, or that does not compile, is left out, and the rest is compiled again. The PCH holds the text
/// of every file that went into it (`-fmodules-embed-all-files`) and no times (`-fno-pch-timestamp`): without the first, clang
/// reads literals from whatever header lies at the path now.
public struct PCHBuilder: Sendable {
    /// Where a build is.
    public struct Step: Sendable {
        /// In a few words: `compiling`.
        public var name: String
        /// From 1.
        public var number: Int
        public var count: Int
    }

    private let sandbox: Sandbox

    public init(sandbox: Sandbox) { self.sandbox = sandbox }

    /// - Parameters:
    ///   - toolchain: the order's, of this machine.
    ///   - tree: the folder with the order's tree, unpacked.
    ///   - scratch: an empty folder of this build's own; the caller removes it.
    ///   - output: the file that is made, in the same file system as `scratch`; it may be there, in parts, if this throws.
    /// - Throws: `Problem` with `pch-build-failed`, `pch-pair-refused`, `pch-unproved`, `pch-limit`; `CancellationError`;
    ///   `SystemCallError`.
    public func build(
        _ order: PCHOrder, with toolchain: InstalledToolchain, tree: String, scratch: String, output: String,
        progress: @escaping @Sendable (Step) -> Void = { _ in }
    ) async throws -> PCHManifest {
        let compiler = try ConfinedCompiler(
            sandbox: sandbox, toolchain: toolchain, profile: order.profile, architecture: order.architecture,
            tree: tree, scratch: scratch)
        let names = ["reading macros", "compiling", "proving"]
        let step = { (number: Int) in
            progress(Step(name: names[number - 1], number: number, count: names.count))
        }
        let source = try await UmbrellaSource.compile(
            order.umbrella, order.profile, by: compiler, scratch: scratch, output: output, step: step)
        step(3)
        let stubs = source.stubs()
        let arguments = ClientArguments(profile: order.profile, flags: compiler.flags)
        let proved = try await prove(source, stubs, arguments, order, compiler, scratch, output)
        let file = try Self.measure(output)
        return PCHManifest(
            key: order.key, rank: .server, treeDigest: order.tree, toolchain: order.toolchain.id,
            profile: order.profile.id, profileName: order.profile.name, umbrella: order.umbrella.name,
            digest: file.digest, bytes: file.bytes, headers: source.headers, leftOut: source.leftOut,
            stubs: stubs.empty, blocked: stubs.blocked, arguments: arguments.list, proofs: proved)
    }

    private func prove(
        _ source: UmbrellaSource, _ stubs: UmbrellaSource.Stubs, _ arguments: ClientArguments, _ order: PCHOrder,
        _ compiler: ConfinedCompiler, _ scratch: String, _ output: String
    ) async throws -> [String] {
        let folder = "\(scratch)/stubs"
        try ConfinedCompiler.makeFolder(folder)
        for path in stubs.empty { try ConfinedCompiler.write("", to: "\(folder)/\(path)") }
        let precompiled = "\(ConfinedCompiler.Place.precompiled)/umbrella.pch"
        let candidate: PCHProof.Candidate
        if order.profile.isFoundByName {
            // Where clang looks for it when a tool asks for the file beside.
            let place = "\(folder)/\(ClientArguments.kconfig).pch"
            try ConfinedCompiler.makeFolder(place)
            try SystemCallError.check("link", output) { link(output, "\(place)/umbrella.pch") }
            candidate = PCHProof.Candidate(flags: compiler.flags, stubs: folder, mounts: [])
        } else {
            candidate = PCHProof.Candidate(
                flags: ["-include-pch", precompiled] + arguments.list(stubs: ConfinedCompiler.Place.stubs),
                stubs: folder,
                mounts: [Sandbox.Mount(source: output, target: precompiled)])
        }
        let scratch = "\(scratch)/proof"
        try ConfinedCompiler.makeFolder(scratch)
        let proof = PCHProof(compiler: compiler, scratch: scratch)
        let covered = Set(stubs.empty)
        var proved: [String] = []
        for program in SmokeProgram.all
        where program.headers.allSatisfy({ compiler.find($0).map { covered.contains($0) } == true }) {
            if try await proof.holds(for: program, candidate) { proved.append(program.name) }
        }
        guard !proved.isEmpty else {
            throw Problem(
                .pchUnproved, "Not even an empty program compiles with these headers and this profile's flags.")
        }
        return proved
    }

    private static func measure(_ path: String) throws -> (digest: KernelHeaders.Digest, bytes: Int) {
        var hash = SHA256Hash()
        var count = 0
        try FileSource(path: path).drain { bytes in
            hash.update(bytes)
            count += bytes.count
        }
        return (hash.digest(), count)
    }
}
