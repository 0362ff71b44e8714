internal import PrecompiledHeaders

/// Which headers a program may include that is given a PCH: those that are in it, by all names that lead to them.
struct HeaderCoverage: Sendable {
    private let names: Set<String>
    private let leftOut: [String: String]

    init(_ manifest: PCHManifest) {
        var names = Set(manifest.headers)
        for stub in manifest.stubs { names.formUnion(Self.names(of: stub)) }
        names.subtract(manifest.blocked.flatMap { Self.names(of: $0) })
        self.names = names
        leftOut = Dictionary(manifest.leftOut.map { ($0.header, $0.reason) }) { $1 }
    }

    /// Why a program can't have the PCH, in a few words; nil if it can.
    func obstacle(to headers: [String]) -> String? {
        guard let header = headers.first(where: { !names.contains($0) }) else { return nil }
        guard let reason = leftOut[header] else { return "it includes \(header), which is not in the PCH" }
        return "it includes \(header), which the PCH of this kernel is without (\(reason))"
    }

    func covers(_ headers: [String]) -> Bool { obstacle(to: headers) == nil }

    /// A file's names, as folders of the kernel's search path lead to it: `linux/types.h`, `uapi/linux/types.h` of
    /// `include/uapi/linux/types.h`.
    private static func names(of path: String) -> [String] {
        var folders = ["include/", "include/uapi/", "include/generated/uapi/"]
        let parts = path.split(separator: "/", maxSplits: 3)
        if parts.count == 4, parts[0] == "arch", parts[2] == "include" {
            let base = "arch/\(parts[1])/include/"
            folders += [base, "\(base)uapi/", "\(base)generated/", "\(base)generated/uapi/"]
        }
        return folders.compactMap { path.hasPrefix($0) ? String(path.dropFirst($0.count)) : nil }
    }
}
