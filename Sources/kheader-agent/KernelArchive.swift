internal import Glibc
internal import KernelHeaders

/// The archive of its own headers that a running kernel offers (`CONFIG_IKHEADERS`, the module `kheaders`).
struct KernelArchive {
    /// Where it is.
    let path: String

    /// - Parameter root: where the host's `/` is.
    /// - Throws: `Problem` with `kernel-has-no-headers` if it cannot be read.
    init(root: String) throws {
        let base = root.hasSuffix("/") ? String(root.dropLast()) : root
        path = "\(base)/sys/kernel/kheaders.tar.xz"
        guard access(path, R_OK) == 0 else {
            let advice =
                errno == ENOENT
                ? "Load the module with 'modprobe kheaders', if this kernel has it." : "Run the agent as root."
            throw Problem(
                .kernelHasNoHeaders, "\(path) can't be read (\(String(cString: strerror(errno)))). \(advice)")
        }
    }
}
