internal import CLinux
internal import Glibc
internal import HeaderArchive
internal import KernelHeaders

/// The modules that are installed for the running kernel's release: `/lib/modules/RELEASE`.
///
/// A release is a name: the folder can be that of another build, when a kernel was rebuilt, or updated, under the release
/// that still runs. What tells is compared by ``compare(_:)``.
struct ModulesInstallation {
    /// What a comparison shows, with a sentence.
    enum Verdict: Equatable {
        case same(String)
        case differs(String)
        case nothingToCompare
    }

    private let kernel: KernelIdentity
    private let root: HostRoot

    /// Modules that are compared. All of them were built together, so that a few do.
    static let comparisons = 8
    /// The largest module that is read, decompressed. `kheaders` has 4 MB, the largest drivers 15.
    static let moduleLimit = 64 << 20
    /// Entries of the folder that are looked at. Distributions have 5,000.
    static let entryLimit = 100_000

    init(kernel: KernelIdentity, root: HostRoot) {
        self.kernel = kernel
        self.root = root
    }

    /// The running kernel's.
    var versionLine: String? { kernel.versionLine }

    /// A path of the host, for people.
    func shown(_ hostPath: String) -> String { root(hostPath) }

    func open(_ hostPath: String) throws -> FileBytes { try root.open(hostPath) }

    /// The module's file as the host names it; nil if there is none.
    ///
    /// - Throws: ``PlaceFlaw`` with `missing` if the kernel's release is not known.
    func headerModule() throws -> String? { Self.headerModule(release: try release(), root: root) }

    /// - Throws: ``PlaceFlaw`` with `missing`.
    func release() throws -> String {
        guard let release = kernel.release, !release.contains("/"), !release.hasPrefix(".") else {
            throw PlaceFlaw(.missing, "The kernel's release is not known.")
        }
        return release
    }

    /// Where depmod and the kernel's own `make modules_install` put it, in depmod's order.
    static func headerModule(release: String, root: HostRoot) -> String? {
        for folder in ["updates", "extra", "kernel/kernel"] {
            for suffix in ["", ".xz", ".zst", ".gz"] {
                let path = "/lib/modules/\(release)/\(folder)/\(LoadedModule.name).ko\(suffix)"
                if (try? root.resolve(path)) != nil { return path }
            }
        }
        return nil
    }

    /// The ELF file in a module's file, which may be compressed (told by its first bytes).
    ///
    /// - Throws: ``ProbeError`` with `formatUnsupported`, `tooLarge`; `Problem` with an `archive-…` code for damage; what `check`
    ///   throws.
    static func decompressed(_ file: FileBytes, _ check: CancellationCheck) throws -> FileBytes {
        let form = PayloadCompression(start: try file.firstBytes(2))
        if form == PayloadCompression.none { return file }
        guard [.xz, .zstd, .gzip].contains(form), let source = try form?.open(RangeSource(file, 0..<file.count)) else {
            throw ProbeError(.formatUnsupported, "This is no kernel module, nor one compressed by xz, zstd or gzip.")
        }
        return try AnonymousFile.copy(source, limit: moduleLimit, check)
    }

    /// Compares what runs with what is installed.
    ///
    /// A module that is loaded shows its build ID (`/sys/module/NAME/notes`), as its file does. **One that differs proves**
    /// that the folder is not of the build that is running (or that the loaded one came from an initramfs made before the
    /// folder was replaced, which is the same). **All equal proves** that the folder has the very modules that were loaded
    /// into this kernel; a rebuild that gave each of them the same bytes, and only others different ones, would not be
    /// seen. Only modules of the kernel's own tree count: others are built again at any time.
    ///
    /// The vDSO is the one piece of the kernel itself that is installed as a file (`make vdso_install`; few distributions do).
    /// A difference proves another build; equality proves nothing, as it hardly ever changes.
    ///
    /// - Throws: what `check` throws.
    func compare(_ check: CancellationCheck) throws -> Verdict {
        if let difference = vdsoDifference() { return .differs(difference) }
        let loaded = loadedModules()
        guard !loaded.isEmpty, let release = try? release(),
            let folder = try? root.resolve("/lib/modules/\(release)/kernel").path
        else { return .nothingToCompare }
        var equal: [String] = []
        for file in try moduleFiles(in: folder, loaded, check).prefix(Self.comparisons) {
            try check()
            guard let id = try buildID(ofModule: file.path, check), let running = loaded[file.module] else { continue }
            guard id == running else {
                return .differs(
                    "\(file.path) has build ID \(id), and the loaded module \(file.module) has \(running): the folder is "
                        + "of another build of \(release).")
            }
            equal.append(file.module)
        }
        guard !equal.isEmpty else { return .nothingToCompare }
        return .same("The loaded modules \(equal.joined(separator: ", ")) are those of /lib/modules/\(release).")
    }

    /// Names with `_`, as the kernel has them, and build IDs of the kernel's own modules that are loaded.
    private func loadedModules() -> [String: BuildID] {
        let names = (try? FolderListing.names(in: root("/sys/module"))) ?? []
        var found: [String: BuildID] = [:]
        for name in names where name != LoadedModule.name {
            let folder = root("/sys/module/\(name)")
            // O: built out of tree. Folders of what is built in have no file of this name, and no notes.
            if let taint = try? HostRoot.read(path: "\(folder)/taint"), taint.contains(UInt8(ascii: "O")) { continue }
            guard let bytes = try? HostRoot.read(path: "\(folder)/notes/.note.gnu.build-id"),
                let notes = try? ELFNotes(bytes, isBigEndian: UInt16(1).bigEndian == 1), let id = try? notes.buildID()
            else { continue }
            found[name] = id
        }
        return found
    }

    private struct File {
        let path: String
        let module: String
        let size: Int
    }

    /// Files of some modules, small ones first.
    private func moduleFiles(in folder: String, _ modules: [String: BuildID], _ check: CancellationCheck) throws
        -> [File]
    {
        var files: [File] = []
        var pending = [folder]
        var entries = 0
        while let folder = pending.popLast(), entries <= Self.entryLimit {
            try check()
            for name in (try? FolderListing.names(in: folder)) ?? [] {
                entries += 1
                var status = stat()
                guard lstat("\(folder)/\(name)", &status) == 0 else { continue }
                if status.st_mode & S_IFMT == S_IFDIR { pending.append("\(folder)/\(name)") }
                guard status.st_mode & S_IFMT == S_IFREG, let module = Self.moduleName(name), modules[module] != nil
                else {
                    continue
                }
                files.append(File(path: "\(folder)/\(name)", module: module, size: Int(status.st_size)))
            }
        }
        return files.sorted { ($0.size, $0.path) < ($1.size, $1.path) }
    }

    /// `virtio_blk` of `virtio-blk.ko.xz`; nil for what is no module.
    private static func moduleName(_ file: String) -> String? {
        for suffix in [".ko", ".ko.xz", ".ko.zst", ".ko.gz"] where file.hasSuffix(suffix) {
            return String(file.dropLast(suffix.count).map { $0 == "-" ? "_" : $0 })
        }
        return nil
    }

    /// Nil if the file can't be read, or has none: it is no evidence.
    private func buildID(ofModule path: String, _ check: CancellationCheck) throws -> BuildID? {
        do {
            return try ELFImage(Self.decompressed(FileBytes(path: path), check)).buildID()
        } catch {
            try check()
            return nil
        }
    }

    /// How the running kernel's vDSO and the installed one differ, in a sentence; nil if they don't, or can't be compared.
    private func vdsoDifference() -> String? {
        guard let release = try? release(), let running = Self.runningVDSO() else { return nil }
        let folder = "/lib/modules/\(release)/vdso"
        // Each kernel has one for its own machine, and some for 32-bit programs: this program runs with its own.
        for name in ["vdso64.so", "vdso.so"] {
            guard let file = try? root.open("\(folder)/\(name)"), let image = try? ELFImage(file),
                let own = try? ELFImage(running), image.tables.machine == own.tables.machine,
                image.tables.is64Bit == own.tables.is64Bit, let id = try? image.buildID(),
                let ownID = try? own.buildID()
            else { continue }
            if id == ownID { return nil }
            return "\(root("\(folder)/\(name)")) has build ID \(id), and the running kernel's vDSO has \(ownID)."
        }
        return nil
    }

    /// The vDSO as it is mapped into this process; nil if it can't be found.
    static func runningVDSO() -> [UInt8]? {
        guard let maps = try? HostRoot.read(path: "/proc/self/maps", limit: 4 << 20),
            let line = String(decoding: maps, as: UTF8.self).split(separator: "\n").first(where: {
                $0.hasSuffix("[vdso]")
            })
        else { return nil }
        let ends = line.prefix { $0 != " " }.split(separator: "-").compactMap { UInt(String($0), radix: 16) }
        guard ends.count == 2, ends[0] < ends[1], ends[1] - ends[0] <= 1 << 20,
            let start = UnsafeRawPointer(bitPattern: ends[0])
        else { return nil }
        return Array(UnsafeRawBufferPointer(start: start, count: Int(ends[1] - ends[0])))
    }
}
