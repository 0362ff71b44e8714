internal import ArgumentParser
internal import FoundationEssentials
internal import KernelHeaders
internal import PrecompiledHeaders
internal import TracingClient

/// For which tool a PCH is.
struct PCHToolOptions: ParsableArguments {
    @Option(name: .customLong("for"), help: ArgumentHelp("Whose: clang or bcc.", valueName: "tool"))
    var name = TracingTool.clang

    @Option(help: ArgumentHelp("The clang that will take it.", valueName: "program"))
    var clang = "clang"

    @Flag(help: "For 'clang -target bpf'.")
    var bpf = false

    func validate() throws {
        guard name != .bpftrace else {
            throw ValidationError("bpftrace can't use a PCH: it leaves out all that comes from one.")
        }
        guard name == .clang || !bpf else { throw ValidationError("--bpf is clang's.") }
    }

    /// - Parameter cache: remembers what can be.
    func tool(remembering cache: HeaderCache? = nil) async throws -> PCHTool {
        guard name == .clang else { return try await .bcc(remembering: cache) }
        let path = ProcessInfo.processInfo.environment["PATH"] ?? ""
        guard let program = ToolCommand([clang], path: path).program else {
            throw Problem(.toolchainUnknown, "There is no program '\(clang)' here. --clang names one.")
        }
        return try await .clang(program, targetsBPF: bpf)
    }
}
