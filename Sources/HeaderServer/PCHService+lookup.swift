import FoundationEssentials
import HeaderStore
import KernelHeaders
import OperatorDocuments
import PrecompiledHeaders

/// From the names in a request to all that a PCH depends on.
extension PCHService {
    func resolve(_ request: PCHRequest, _ menu: PCHMenu, anew: Bool = false) async throws -> Resolved {
        if !anew, let known = resolved[request] {
            if let id = Digest(request.profile) { store.profileAsked(id) }
            return known
        }
        let installed = menu.toolchain(request.toolchain)
        let toolchain: Toolchain
        if let installed {
            toolchain = installed.toolchain
        } else if let sent = try await store.toolchain(request.toolchain),
            let decoded = try? JSONDecoder().decode(Toolchain.self, from: Data(sent.utf8))
        {
            toolchain = decoded
        } else {
            throw Problem(
                .toolchainUnknown,
                "This server has no clang \(request.toolchain). GET /v1/toolchains lists those that it has.")
        }
        let (order, profile) = try await self.order(request, toolchain, menu)
        let demand = PCHDemand(toolchain: request.toolchain, profile: profile, umbrella: request.umbrella)
        let item = Resolved(key: order.key, demand: demand, toolchain: installed, order: order)
        if resolved.count >= Self.maximumMemories { resolved.removeAll() }
        resolved[request] = Resolved(key: item.key, demand: demand, toolchain: installed, order: nil)
        return item
    }

    /// - Returns: also what the profile is called, whichever of its names was used.
    func order(
        _ request: PCHRequest, _ toolchain: Toolchain, _ menu: PCHMenu
    ) async throws -> (order: PCHOrder, profile: String) {
        guard let umbrella = menu.umbrella(request.umbrella) else {
            let all = menu.umbrellas.map(\.name).joined(separator: ", ")
            throw Problem(.umbrellaUnknown, "There is no umbrella of this name. There are \(all).")
        }
        guard let architecture = request.architecture else {
            throw Problem(
                .pchBuildFailed,
                "This server does not know for which architecture this kernel's headers are: neither they nor who sent them say it."
            )
        }
        let named = try await profiles(of: request.tree, architecture, menu)
        let profile: CompilerProfile
        if let id = Digest(request.profile) {
            guard let found = try await self.profile(id, among: named) else {
                throw Problem(
                    .profileUnknown, "This server has no profile \(id). Send it with PUT \(APIPath.profile(id)).")
            }
            profile = found
        } else {
            let name = menu.fullName(request.profile)
            guard let found = named.first(where: { $0.name == name }) else {
                let all = named.map(\.name).joined(separator: ", ")
                throw Problem(.profileUnknown, "For this kernel there is no profile of this name. There are \(all).")
            }
            profile = found
        }
        let order = PCHOrder(
            tree: request.tree, architecture: architecture, toolchain: toolchain, profile: profile, umbrella: umbrella)
        return (order, named.first { $0 == profile }?.name ?? "\(profile.id)")
    }

    private func profile(_ id: Digest, among named: [CompilerProfile]) async throws -> CompilerProfile? {
        if let profile = named.first(where: { $0.id == id }) { return profile }
        guard let document = try await store.profile(id) else { return nil }
        return try JSONDecoder().decode(CompilerProfile.self, from: Data(document.utf8))
    }

    /// The profiles with names, for a tree. What its configuration has a say in is read once.
    private func profiles(
        of tree: Digest, _ architecture: Architecture, _ menu: PCHMenu
    ) async throws -> [CompilerProfile] {
        if let known = standard[tree] { return known }
        var text = ""
        if let path = HeaderPath("include/generated/autoconf.h") {
            do {
                text = String(decoding: try await store.file(at: path, in: tree).bytes, as: UTF8.self)
            } catch let problem as Problem where problem.code == .fileUnknown {
                // The tree has none.
            }
        }
        let profiles = menu.profiles(
            architecture: architecture, configuration: KernelConfiguration(autoconf: text))
        if standard.count >= Self.maximumMemories { standard.removeAll() }
        standard[tree] = profiles
        return profiles
    }

    /// A profile that has no need of a kernel: one that was sent.
    func profile(_ id: Digest) async throws -> String {
        guard let document = try await store.profile(id) else {
            throw Problem(
                .profileUnknown,
                "This server has no profile \(id), or has forgotten it. Send it with PUT \(APIPath.profile(id)).")
        }
        return document
    }
}
