internal import HeaderArchive

/// What a tree says was built into its kernel: the macros of `include/generated/autoconf.h`.
public struct KernelConfiguration: Sendable, Equatable {
    private let names: Set<String>

    /// - Parameter autoconf: the file's contents: a line `#define CONFIG_KASAN 1` for what is built in.
    public init(autoconf: String) {
        names = Set(
            autoconf.split(separator: "\n").compactMap { line in
                let words = line.split(separator: " ")
                return words.count == 3 && words[0] == "#define" && words[2] == "1" ? String(words[1]) : nil
            })
    }

    /// Of a tree; empty if the tree has none.
    public init(tree: String) {
        self.init(autoconf: SmallFile.text("\(tree)/include/generated/autoconf.h") ?? "")
    }

    /// - Parameter name: with its `CONFIG_` in front.
    public func has(_ name: String) -> Bool { names.contains(name) }
}
