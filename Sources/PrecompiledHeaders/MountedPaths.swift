/// Paths of a sandbox and those of the host, one for the other in texts: for a compiler that runs without one.
struct MountedPaths {
    private let mounts: [Sandbox.Mount]

    /// The longest first: one may be mounted within another.
    init(_ mounts: [Sandbox.Mount]) { self.mounts = mounts.sorted { $0.target.utf8.count > $1.target.utf8.count } }

    /// An argument that begins with a path of the sandbox, or has one behind `-I`.
    func outside(_ argument: String) -> String {
        for mount in mounts {
            for option in ["", "-I"] {
                let prefix = option + mount.target
                guard argument == prefix || argument.hasPrefix("\(prefix)/") else { continue }
                return option + mount.source + argument.dropFirst(prefix.count)
            }
        }
        return argument
    }

    /// A compiler's messages, with the sandbox's paths in them.
    func inside(_ text: String) -> String {
        mounts.sorted { $0.source.utf8.count > $1.source.utf8.count }.reduce(text) { text, mount in
            text.split(separator: mount.source, omittingEmptySubsequences: false).joined(separator: mount.target)
        }
    }
}
