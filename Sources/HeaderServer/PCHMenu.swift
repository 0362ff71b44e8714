import KernelHeaders
import PrecompiledHeaders

/// What PCHs this server can make: its clangs, the profiles that have names, the umbrellas. Looked for once.
struct PCHMenu: Sendable {
    let installed: [InstalledToolchain]
    let umbrellas: [Umbrella]
    /// What compiles; nil if nothing does, for the reason in ``off``.
    let building: (any PCHBuilding)?
    /// Why no PCHs are made, in a sentence.
    let off: String?
    /// The operator's own.
    private let profiles: [CompilerProfile]
    private let bcc: (profile: CompilerProfile, version: String, clang: String?)?

    init(_ options: PCHOptions) async {
        installed = await options.registry.installed()
        umbrellas = Umbrella.standard + options.umbrellas
        profiles = options.profiles
        if let library = options.libraryRoot.flatMap({ BCCLibrary.find(root: $0) }) {
            bcc = (library.profile, library.version, await library.clangPackage())
        } else {
            bcc = nil
        }
        (building, off) = await Self.building(options, hasToolchains: !installed.isEmpty)
    }

    private static func building(
        _ options: PCHOptions, hasToolchains: Bool
    ) async -> (building: (any PCHBuilding)?, off: String?) {
        let none = "This server makes no PCHs:"
        guard options.isOn else { return (nil, "\(none) its operator has switched it off (pch.on).") }
        guard hasToolchains else {
            return (nil, "\(none) there is no clang on it. Install one, or name it in pch.toolchains.")
        }
        do {
            return (try await options.building(options), nil)
        } catch {
            return (nil, "\(error)")
        }
    }

    func toolchain(_ id: Digest) -> InstalledToolchain? { installed.first { $0.toolchain.id == id } }

    func umbrella(_ name: String) -> Umbrella? { umbrellas.first { $0.name == name } }

    /// The profiles that have names, for a kernel.
    func profiles(architecture: Architecture, configuration: KernelConfiguration) -> [CompilerProfile] {
        profiles + [
            .clang(architecture: architecture, configuration: configuration),
            .bpf(architecture: architecture, configuration: configuration),
        ] + (bcc.map { [$0.profile] } ?? [])
    }

    /// The full name of a profile that has several: `bcc` is the bcc that is here.
    func fullName(_ name: String) -> String {
        guard let bcc, name == "bcc" || name == "bcc-\(bcc.version)" else { return name }
        return bcc.profile.name
    }

    /// The clang for smoke compiles: one that tracing tools may have, so a distribution's rather than another; of these the
    /// newest.
    var smokeToolchain: InstalledToolchain? {
        func worth(_ installed: InstalledToolchain) -> (Int, Int, Int) {
            let toolchain = installed.toolchain
            return (installed.hasBPF ? 1 : 0, toolchain.package == nil ? 0 : 1, toolchain.major ?? 0)
        }
        return installed.max { worth($0) < worth($1) }
    }

    /// As clients see it. A profile's ID may be another for a kernel whose configuration has a say in its flags.
    var list: ToolchainList {
        let entries = installed.map { installed in
            let machine = installed.toolchain.target.prefix { $0 != "-" }
            let profiles = profiles(
                architecture: Architecture(machine: String(machine)), configuration: KernelConfiguration(autoconf: ""))
            let usable = profiles.filter { profile in
                if profile.name == "bpf" { return installed.hasBPF }
                guard let bcc, let clang = bcc.clang, profile.name == bcc.profile.name else { return true }
                return installed.toolchain.package == clang
            }
            return ToolchainList.Entry(
                toolchain: installed.toolchain,
                profiles: usable.map { ToolchainList.Profile(name: $0.name, id: $0.id) })
        }
        return ToolchainList(toolchains: entries, umbrellas: umbrellas, off: off)
    }
}
