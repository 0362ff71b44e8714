internal import Glibc
internal import HeaderArchive
internal import KernelHeaders

/// `/sys/kernel/kheaders.tar.xz`, after the module that brings it was loaded. It is unloaded again, whatever happens, unless
/// somebody else had loaded it.
struct LoadedModule: HeaderPlace {
    static let name = "kheaders"

    let origin = HeaderOrigin.loadedModule
    let installation: ModulesInstallation
    let root: HostRoot
    let module: HeaderModuleAccess

    func survey(_ check: CancellationCheck) throws -> (bytes: Int, digest: KernelHeaders.Digest)? {
        _ = try ready()
        return nil
    }

    func collect(_ check: CancellationCheck) throws -> CollectedHeaders {
        let module = try ready()
        // A kernel takes any module of its release. Where the folder was replaced by that of another build (an update
        // under the same release), its module has the headers of that one.
        let proof: String?
        switch try installation.compare(check) {
        case .differs(let what): throw PlaceFlaw(.anotherKernel, what)
        case .same(let what): proof = what
        case .nothingToCompare: proof = nil
        }
        let isOurs: Bool
        do {
            isOurs = try module.load()
        } catch {
            throw PlaceFlaw(.moduleRefused, "The kernel did not take the module \(Self.name) (\(error)).")
        }
        let copy: Result<FileBytes, any Error> = Result { try copyArchive(check) }
        var remarks = [proof].compactMap { $0 }
        if isOurs {
            do {
                try module.unload()
            } catch {
                remarks.append("The module \(Self.name) could not be unloaded again (\(error)).")
            }
        }
        do {
            return CollectedHeaders(
                origin: origin, name: root(SysfsArchive.hostPath),
                contents: .archive(CollectedArchive(try copy.get())),
                detail: remarks.isEmpty ? nil : remarks.joined(separator: " "))
        } catch {
            try check()
            let flaw = PlaceFlaw(error)
            throw PlaceFlaw(flaw.outcome, ([flaw.detail].compactMap { $0 } + remarks).joined(separator: " "))
        }
    }

    private func ready() throws -> any HeaderModule {
        switch module {
        case .ready(let module): return module
        case .missing(let sentence): throw PlaceFlaw(.missing, sentence)
        case .notPermitted(let sentence): throw PlaceFlaw(.notPermitted, sentence)
        }
    }

    private func copyArchive(_ check: CancellationCheck) throws -> FileBytes {
        let file: FileBytes
        do {
            file = try SysfsArchive(root: root).open()
        } catch let flaw as PlaceFlaw where flaw.outcome == .missing {
            throw PlaceFlaw(
                .missing, "The module \(Self.name) was loaded, and brought no \(root(SysfsArchive.hostPath)).")
        }
        let copy = try AnonymousFile.copy(RangeSource(file, 0..<file.count), limit: SysfsArchive.limit, check)
        guard copy.count == file.count else { throw SysfsArchive.changed(root) }
        return copy
    }
}
