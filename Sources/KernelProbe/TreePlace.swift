internal import HeaderArchive
internal import KernelHeaders

/// Header folders on disk.
struct TreePlace: HeaderPlace {
    let origin: HeaderOrigin
    private let kernel: KernelIdentity
    private let root: HostRoot

    init(_ origin: HeaderOrigin, kernel: KernelIdentity, root: HostRoot) {
        self.origin = origin
        self.kernel = kernel
        self.root = root
    }

    func survey(_ check: CancellationCheck) throws -> (bytes: Int, digest: KernelHeaders.Digest)? {
        _ = try tree()
        return nil
    }

    func collect(_ check: CancellationCheck) throws -> CollectedHeaders {
        let tree = try tree()
        let audit = try TreeAudit(of: tree, root: root, check)
        if let flaws = audit.description { throw PlaceFlaw(.damaged, "\(tree.name) can't be trusted: \(flaws).") }
        return CollectedHeaders(
            origin: origin, name: tree.name, contents: .folder(try tree.headers()), detail: audit.evidence)
    }

    private func tree() throws -> InstalledTree {
        let root = root("/")
        let tree =
            origin == .modulesFolder
            ? try InstalledTree(modulesFolderOf: kernel, root: root)
            : try InstalledTree(sourceFolderOf: kernel, root: root)
        guard tree.provesBuild else {
            throw PlaceFlaw(
                .unproven,
                "\(tree.name) has the release of the running kernel, but no version line (\(GeneratedHeader.versions[0])) that "
                    + "shows that it is of the same build.")
        }
        return tree
    }
}
