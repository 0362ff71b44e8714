import HeaderArchive
import HeaderServer
import HeaderStore
import KHeaderTestSupport
import KernelHeaders
import OperatorDocuments
import Synchronization

@testable import PrecompiledHeaders

/// What compiles, without a compiler: it writes some bytes, or does what the test says, and remembers what it was asked for.
final class FakeBuilding: PCHBuilding {
    enum Outcome: Sendable {
        case bytes([UInt8])
        case failure(any Error)
    }

    private struct State {
        var outcomes: [String: Outcome] = [:]
        var held: Set<String> = []
        var builds: [String] = []
        var smokes: [Digest] = []
        var trees: Set<String> = []
        var isHoldingSmoke = false
        var smokeState = SmokeResult.State.verified
        var waiters: [Int: (umbrella: String, continuation: CheckedContinuation<Void, Never>)] = [:]
        var cancelled: Set<Int> = []
        var next = 0
    }

    private let state = Mutex(State())
    private let stream = AsyncStream.makeStream(of: String.self)

    /// The umbrellas whose build has begun, `smoke` for a smoke compile. For one reader.
    var beginnings: AsyncStream<String> { stream.stream }
    /// The umbrellas that were built, or tried to.
    var builds: [String] { state.withLock { $0.builds } }
    /// The folders that trees were unpacked in.
    var trees: Set<String> { state.withLock { $0.trees } }
    var smokeCount: Int { state.withLock { $0.smokes.count } }

    /// What a build of an umbrella ends with, from now on; without a word it writes ``bytes(_:)``.
    func set(_ umbrella: String, _ outcome: Outcome?) { state.withLock { $0.outcomes[umbrella] = outcome } }
    /// What smoke compiles end with.
    func setSmoke(_ result: SmokeResult.State) { state.withLock { $0.smokeState = result } }
    /// Builds of these go on when ``release()`` is called, or they are cancelled; `smoke` is a smoke compile.
    func hold(_ umbrellas: String...) { state.withLock { $0.held.formUnion(umbrellas) } }

    func release() {
        let waiters = state.withLock { state in
            defer { state.waiters = [:] }
            state.held = []
            return state.waiters.values.map(\.continuation)
        }
        for waiter in waiters { waiter.resume() }
    }

    /// What a build of an umbrella makes.
    static func bytes(_ umbrella: String) -> [UInt8] {
        var random = SeededGenerator(seed: umbrella)
        // Compressible by half.
        return Array("CPCH".utf8) + (0..<5000).map { _ in UInt8(random.next() % 16) }
    }

    func build(
        _ order: PCHOrder, with toolchain: InstalledToolchain, tree: String, scratch: String, output: String,
        progress: @escaping @Sendable (PCHBuilder.Step) -> Void
    ) async throws -> PCHManifest {
        let name = order.umbrella.name
        state.withLock { state in
            state.builds.append(name)
            state.trees.insert(tree)
        }
        // There until the build ends, whatever way that is.
        try TemporaryFolder.write([1], to: "\(scratch)/\(name)/umbrella.h")
        try TemporaryFolder.write([1], to: output)
        guard SmallFile.bytes("\(tree)/include/linux/kconfig.h") != nil else {
            throw Problem(.pchBuildFailed, "fatal error: 'include/linux/kconfig.h' file not found")
        }
        progress(PCHBuilder.Step(name: "compiling", number: 2, count: 3))
        stream.continuation.yield(name)
        try await pass(name)
        switch state.withLock({ $0.outcomes[name] }) ?? .bytes(Self.bytes(name)) {
        case .failure(let error): throw error
        case .bytes(let bytes):
            try TemporaryFolder.write(bytes, to: output)
            return Self.manifest(order, bytes)
        }
    }

    static func manifest(_ order: PCHOrder, _ bytes: [UInt8], rank: PCHManifest.Rank = .server) -> PCHManifest {
        PCHManifest(
            key: order.key, rank: rank, treeDigest: order.tree, toolchain: order.toolchain.id,
            profile: order.profile.id, profileName: order.profile.name, umbrella: order.umbrella.name,
            digest: Digest(of: bytes), bytes: bytes.count, headers: Array(order.umbrella.headers.dropLast()),
            leftOut: order.umbrella.headers.suffix(1).map { .init(header: $0, reason: "file not found") },
            stubs: ["include/linux/sched.h"], blocked: ["arch/x86/include/asm/x.h"],
            arguments: order.clientArguments, proofs: ["empty"])
    }

    func smoke(
        architecture: Architecture, with toolchain: InstalledToolchain, tree: String, scratch: String, time: Int
    ) async throws -> SmokeResult {
        try TemporaryFolder.write([1], to: "\(scratch)/smoke.c")
        let result = state.withLock { state in
            state.trees.insert(tree)
            state.smokes.append(Digest(of: []))
            return state.smokeState
        }
        stream.continuation.yield("smoke")
        try await pass("smoke")
        return SmokeResult(
            state: result, compiler: toolchain.toolchain.version, detail: result == .failed ? "error: no" : nil,
            time: time)
    }

    /// - Throws: `CancellationError` if the task is cancelled while it is held.
    private func pass(_ umbrella: String) async throws {
        let number = state.withLock { state in
            state.next += 1
            return state.next
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let goesOn = state.withLock { state in
                    guard state.held.contains(umbrella), !state.cancelled.contains(number) else { return true }
                    state.waiters[number] = (umbrella, continuation)
                    return false
                }
                if goesOn { continuation.resume() }
            }
        } onCancel: {
            let waiter = state.withLock { state in
                state.cancelled.insert(number)
                return state.waiters.removeValue(forKey: number)
            }
            waiter?.continuation.resume()
        }
        try Task.checkCancellation()
    }
}

/// A clang of which no more is there than what it says of itself.
enum FakeToolchain {
    static let versionOutput = "Debian clang version 14.0.6\nTarget: x86_64-pc-linux-gnu\n"

    /// Asked once: then the program may go.
    private static let asked = Task {
        try await withTemporaryFolder { folder in
            let script = """
                #!/bin/sh
                case $1 in
                --version) printf '\(versionOutput.replacing("\n", with: "\\n"))' ;;
                -print-resource-dir) echo /resources ;;
                -print-targets) echo '  bpf - BPF' ;;
                esac
                """
            let program = try folder.write(script.utf8, to: "clang", mode: 0o755)
            let registry = ToolchainRegistry(programs: [program], path: "", llvm: folder.path)
            _ = await registry.installed()
            return registry
        }
    }

    static var registry: ToolchainRegistry { get async throws { try await asked.value } }

    static var id: Digest {
        get async throws {
            guard let toolchain = try await registry.toolchains().first else {
                throw StoreFlaw(description: "the fake clang was not found")
            }
            return toolchain.id
        }
    }

    /// One that the server does not have.
    static let foreign = Toolchain(
        versionOutput: "Debian clang version 19.1.7\nTarget: x86_64-pc-linux-gnu", package: "1:19.1.7-3")
}

extension PCHOptions {
    /// With a clang that is none.
    static func fake(_ building: FakeBuilding, _ change: (inout PCHOptions) -> Void = { _ in }) async throws
        -> PCHOptions
    {
        var options = PCHOptions()
        options.registry = try await FakeToolchain.registry
        options.libraryRoot = nil
        options.building = { _ in building }
        change(&options)
        return options
    }
}
