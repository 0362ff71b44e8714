internal import Glibc
internal import HeaderArchive
internal import KernelHeaders
internal import KernelProbe

/// Compiles small programs with headers and with the PCH, and compares what they become.
///
/// Compared are all sections of the object, BPF's where the clang has it: with `-g0` there is no path and no time in them.
/// Debug information is not compared.
struct PCHProof {
    let compiler: ConfinedCompiler
    /// A folder of its own.
    let scratch: String

    /// A PCH as a client has it.
    struct Candidate {
        /// The client's arguments, as they are inside, those that name the PCH included.
        let flags: [String]
        let stubs: String
        let mounts: [Sandbox.Mount]
    }

    /// - Returns: whether it is proved; false if the program does not compile with these headers, which proves nothing.
    /// - Throws: `Problem` with `pch-unproved` or `pch-limit`.
    func holds(for program: SmokeProgram, _ candidate: Candidate) async throws -> Bool {
        guard case .code(let expected) = try await withHeaders(program) else { return false }
        let (arguments, mount) = try prepare(program)
        let bitcode = "\(scratch)/\(program.name).pch.bc"
        defer { unlink(bitcode) }
        let ending = try await compiler.withStubs(
            arguments, flags: candidate.flags, stubs: candidate.stubs, mounts: candidate.mounts + [mount],
            output: bitcode)
        guard ending.isSuccess else {
            throw Problem(
                .pchUnproved,
                "The program '\(program.name)' compiles with the headers and not with the PCH: "
                    + "\(Diagnostics.firstError(ending.messages) ?? "clang fails")")
        }
        guard try await machineCode(bitcode, program) == expected else {
            throw Problem(.pchUnproved, "The program '\(program.name)' becomes other code with the PCH.")
        }
        return true
    }

    enum Outcome {
        case code(ObjectFile)
        case failure(messages: String)
    }

    /// What a program becomes with the headers themselves.
    func withHeaders(_ program: SmokeProgram) async throws -> Outcome {
        let (arguments, mount) = try prepare(program)
        let bitcode = "\(scratch)/\(program.name).bc"
        defer { unlink(bitcode) }
        let ending = try await compiler.withHeaders(arguments, mounts: [mount], output: bitcode)
        return ending.isSuccess
            ? .code(try await machineCode(bitcode, program)) : .failure(messages: ending.messages)
    }

    private func prepare(_ program: SmokeProgram) throws -> (arguments: [String], mount: Sandbox.Mount) {
        let folder = "\(scratch)/\(program.name)"
        try ConfinedCompiler.write(program.text, to: "\(folder)/\(program.name).c")
        let file = "\(ConfinedCompiler.Place.program)/\(program.name).c"
        return (
            ["-g0", "-emit-llvm", "-c", "-o", "-", file],
            Sandbox.Mount(source: folder, target: ConfinedCompiler.Place.program)
        )
    }

    private func machineCode(_ bitcode: String, _ program: SmokeProgram) async throws -> ObjectFile {
        let object = "\(bitcode).o"
        defer { unlink(object) }
        let file = "\(ConfinedCompiler.Place.program)/\(program.name).bc"
        let target = compiler.toolchain.hasBPF ? ["-target", "bpf"] : []
        let ending = try await compiler.plain(
            target + ["-O2", "-g0", "-x", "ir", file, "-c", "-o", "-"],
            mounts: [Sandbox.Mount(source: bitcode, target: file)], output: object)
        guard ending.isSuccess, let bytes = SmallFile.bytes(object), let code = try? ObjectFile(bytes) else {
            throw Problem(
                .pchUnproved,
                "The program '\(program.name)' does not become machine code: \(ending.messages.prefix(1000))")
        }
        return code
    }
}
