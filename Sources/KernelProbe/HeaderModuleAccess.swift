/// Whether the kernel's module of headers (`kheaders`, `CONFIG_IKHEADERS=m`) can be loaded here.
public enum HeaderModuleAccess: Sendable {
    case ready(any HeaderModule)
    /// The kernel has no such module, as a sentence says.
    case missing(String)
    /// It is not to be loaded, or this process has not the right to, as a sentence says.
    case notPermitted(String)
}

/// The kernel's module of headers.
public protocol HeaderModule: Sendable {
    /// Loads it.
    ///
    /// - Returns: false if it is loaded already: by somebody else, whose it stays.
    /// - Throws: `SystemCallError` of `finit_module` with why the kernel did not take it.
    func load() throws -> Bool

    /// Unloads what ``load()`` has loaded.
    ///
    /// - Throws: `SystemCallError`.
    func unload() throws
}
