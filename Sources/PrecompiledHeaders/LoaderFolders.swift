internal import Glibc
internal import HeaderArchive

/// The folders in which the dynamic loader finds libraries, in its order (ld.so(8), ldconfig(8)): those that
/// `/etc/ld.so.conf` names, then the standard ones. What `LD_LIBRARY_PATH` and a program's own `RUNPATH` add is not here.
enum LoaderFolders {
    /// Files that a configuration may include, and how deep.
    private static let depthLimit = 8
    private static let foldersLimit = 256

    /// - Parameter root: where the host's `/` is; what is there is looked up below it.
    static func list(root: String = "/") -> [String] {
        let base = root == "/" ? "" : root
        var folders: [String] = []
        read("\(base)/etc/ld.so.conf", base, depth: 0, into: &folders)
        // Debian's loader knows the folders of its own machine, too.
        let machines = machine.map { ["/lib/\($0)-linux-gnu", "/usr/lib/\($0)-linux-gnu"] } ?? []
        return folders + (machines + ["/lib", "/usr/lib", "/lib64", "/usr/lib64"]).map { base + $0 }
    }

    private static var machine: String? {
        var names = utsname()
        guard uname(&names) == 0 else { return nil }
        return withUnsafeBytes(of: names.machine) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    }

    private static func read(_ file: String, _ base: String, depth: Int, into folders: inout [String]) {
        guard depth < depthLimit, let text = SmallFile.text(file) else { return }
        for line in text.split(whereSeparator: \.isNewline) {
            let words = line.prefix { $0 != "#" }.split { " \t:,".contains($0) }
            guard let first = words.first, first != "hwcap" else { continue }
            if first == "include" {
                for pattern in words.dropFirst() {
                    for name in matches(pattern.hasPrefix("/") ? base + pattern : "\(folder(of: file))/\(pattern)") {
                        read(name, base, depth: depth + 1, into: &folders)
                    }
                }
            } else {
                for word in words where word.hasPrefix("/") && folders.count < foldersLimit {
                    folders.append(base + word)
                }
            }
        }
    }

    private static func folder(of path: String) -> Substring {
        path.prefix(upTo: path.lastIndex(of: "/") ?? path.startIndex)
    }

    /// What a pattern of the shell's stands for, sorted.
    private static func matches(_ pattern: String) -> [String] {
        var found = glob_t()
        defer { globfree(&found) }
        guard glob(pattern, 0, nil, &found) == 0 else { return [] }
        return (0..<Int(found.gl_pathc)).compactMap { found.gl_pathv[$0].map { String(cString: $0) } }
    }
}
