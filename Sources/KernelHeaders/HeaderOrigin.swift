/// Where on a host an agent finds the headers of the running kernel, in the order in which it looks.
public enum HeaderOrigin: String, Codable, Sendable, CaseIterable {
    /// `/sys/kernel/kheaders.tar.xz`: the kernel's own archive.
    case sysfs
    /// The same, after the module `kheaders` was loaded for it.
    case loadedModule = "loaded-module"
    /// The same, cut out of the module's file, which was not loaded.
    case moduleFile = "module-file"
    /// The folders `/lib/modules/RELEASE/{build,source}`.
    case modulesFolder = "modules-folder"
    /// `/usr/src/linux-headers-RELEASE` or `/usr/src/kernels/RELEASE`.
    case sourceFolder = "source-folder"

    /// Whether its archive is the one that was made when the kernel was built: each host of that kernel has the same
    /// bytes, so that their digests can be compared. Folders are packed on the host.
    public var isKernelsOwn: Bool {
        switch self {
        case .sysfs, .loadedModule, .moduleFile: true
        case .modulesFolder, .sourceFolder: false
        }
    }
}
