internal import Glibc
internal import HeaderArchive
public import KernelHeaders

/// Finds the running kernel's headers on its host, and proves that they are this kernel's.
///
/// The places are those of ``KernelHeaders/HeaderOrigin``, in that order. One that does not serve leaves its outcome and a
/// sentence, and the next is tried.
public struct HeaderCollector: Sendable {
    private let kernel: KernelIdentity
    private let root: HostRoot
    private let module: HeaderModuleAccess

    /// - Parameters:
    ///   - kernel: the running kernel.
    ///   - root: where this host's `/` is.
    ///   - module: the right to load the kernel's module of headers, see ``ModuleKeeper``.
    public init(kernel: KernelIdentity, root: String = "/", module: HeaderModuleAccess) {
        self.kernel = kernel
        self.root = HostRoot(root)
        self.module = module
    }

    /// Looks around at little cost: what the kernel offers as it is gets hashed, of the rest it is only seen whether it is
    /// there. Nothing is loaded, decompressed or packed.
    ///
    /// - Parameter check: throws to stop.
    /// - Throws: what `check` throws.
    public func survey(check: CancellationCheck = {}) throws -> HeaderSurvey {
        var steps: [CollectStep] = []
        var offer: ArtefactOffer?
        var isDone = false
        for place in places {
            guard !isDone else {
                steps.append(CollectStep(place.origin, .notNeeded))
                continue
            }
            try check()
            do {
                let archive = try place.survey(check)
                steps.append(CollectStep(place.origin, archive == nil ? .deferred : .usable))
                isDone = isDone || archive != nil
                offer =
                    offer
                    ?? ArtefactOffer(.headers, origin: place.origin, bytes: archive?.bytes, digest: archive?.digest)
            } catch {
                steps.append(try Self.step(place.origin, error, check))
            }
        }
        return HeaderSurvey(steps: steps, offer: offer)
    }

    /// Looks closely at every place, for a person who wants to know why it serves or not. Takes long, and changes nothing:
    /// the module is not loaded.
    ///
    /// - Parameter check: throws to stop.
    /// - Throws: what `check` throws.
    public func examine(check: CancellationCheck = {}) throws -> [CollectStep] {
        var steps: [CollectStep] = []
        for place in places {
            try check()
            do {
                guard place.origin == .loadedModule else {
                    steps.append(CollectStep(place.origin, .usable, Self.fitted(try place.collect(check).detail)))
                    continue
                }
                guard steps.first?.outcome != .usable else {
                    steps.append(CollectStep(place.origin, .notNeeded))
                    continue
                }
                _ = try place.survey(check)
                steps.append(CollectStep(place.origin, .deferred))
            } catch {
                steps.append(try Self.step(place.origin, error, check))
            }
        }
        return steps
    }

    /// Takes the headers from the first place that has them, whatever it costs: the module is loaded and unloaded, files
    /// are decompressed, trees compared with their packages. Blocks.
    ///
    /// - Parameter check: throws to stop; a module that was loaded is unloaded before this throws on.
    /// - Throws: what `check` throws.
    public func collect(check: CancellationCheck = {}) throws -> HeaderCollection {
        var steps: [CollectStep] = []
        var headers: CollectedHeaders?
        for place in places {
            guard headers == nil else {
                steps.append(CollectStep(place.origin, .notNeeded))
                continue
            }
            try check()
            do {
                let found = try place.collect(check)
                steps.append(CollectStep(place.origin, .usable, Self.fitted(found.detail)))
                headers = found
            } catch {
                steps.append(try Self.step(place.origin, error, check))
            }
        }
        return HeaderCollection(steps: steps, headers: headers)
    }

    private var places: [any HeaderPlace] {
        let installation = ModulesInstallation(kernel: kernel, root: root)
        return [
            SysfsArchive(root: root), LoadedModule(installation: installation, root: root, module: module),
            ModuleFile(installation: installation),
            TreePlace(.modulesFolder, kernel: kernel, root: root), TreePlace(.sourceFolder, kernel: kernel, root: root),
        ]
    }

    /// - Throws: what `check` throws: the place failed because the work is no longer wanted.
    private static func step(_ origin: HeaderOrigin, _ error: any Error, _ check: CancellationCheck) throws
        -> CollectStep
    {
        try check()
        let flaw = PlaceFlaw(error)
        return CollectStep(origin, flaw.outcome, fitted(flaw.detail))
    }

    /// No longer than a sighting takes.
    private static func fitted(_ detail: String?) -> String? {
        guard let detail, detail.utf8.count > CollectStep.maximumDetailLength else { return detail }
        let end = "…"
        var text = ""
        for character in detail {
            guard
                text.utf8.count + character.utf8.count + end.utf8.count <= CollectStep.maximumDetailLength
            else { break }
            text.append(character)
        }
        return text + end
    }
}

extension PlaceFlaw {
    /// What an error says of the place where it happened.
    init(_ error: any Error) {
        switch error {
        case let flaw as PlaceFlaw: self = flaw
        case let flaw as InstalledTree.Flaw: self.init(flaw.outcome, flaw.description)
        case let error as SystemCallError:
            self.init(error.number == ENOENT ? .missing : .unreadable, error.description)
        case let error as ProbeError: self.init(.malformed, error.description)
        case let error as Problem: self.init(.malformed, error.detail)
        default: self.init(.unreadable, "\(error)")
        }
    }
}
