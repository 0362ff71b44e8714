public import KernelHeaders

/// A kernel's headers on this host, ready for a tool.
public struct ReadyHeaders: Sendable {
    public let headers: CacheEntry
    /// The kernel's BTF, if it was wanted.
    public let btf: CacheEntry?

    public init(headers: CacheEntry, btf: CacheEntry? = nil) {
        self.headers = headers
        self.btf = btf
    }

    /// The tree's folder, absolute: it has `include` and `arch`.
    public var path: String { headers.path }
    public var identity: KernelIdentity { headers.stamp.identity }

    /// Makes the program that replaces this one keep the cache from being cleaned of them.
    ///
    /// - Throws: `SystemCallError`.
    public func keepAcrossExec() throws {
        try headers.keepAcrossExec()
        try btf?.keepAcrossExec()
    }
}
