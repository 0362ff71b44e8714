internal import KernelHeaders

/// What makes a folder's headers look like a part of a tree, of which somebody has forgotten or removed the rest.
struct TreeDoubts {
    /// What no program compiles without, and each in another half of a source and build pair.
    private static let needed = ["include/linux/kconfig.h", "include/generated/autoconf.h"]
    /// The most that are named.
    static let limit = 8

    /// What is missing, and links to nowhere; nil if nothing is.
    let flaws: String?
    /// Files that are empty, which a few are in some trees; nil if none is.
    let empty: String?

    init(_ tree: TreeManifest) {
        var flaws = Self.needed.filter { HeaderPath($0).flatMap(tree.indexOfFile(at:)) == nil }.map {
            "\($0) is missing"
        }
        var empty: [String] = []
        for entry in tree.entries {
            switch entry.kind {
            case .link(let target):
                guard tree.indexOfFile(at: entry.path) == nil else { continue }
                flaws.append("\(entry.path) leads to \(target), which is not there")
            case .file(let size, _, _):
                if size == 0, !entry.path.marksAnOption { empty.append("\(entry.path)") }
            }
        }
        self.flaws = Self.text(flaws)
        self.empty = Self.text(empty)
    }

    private static func text(_ items: [String]) -> String? {
        guard !items.isEmpty else { return nil }
        let more = items.count - limit
        return items.prefix(limit).joined(separator: "; ") + (more > 0 ? "; and \(more) more" : "")
    }
}

/// A folder that is not sent.
struct PartOfTree: Error, CustomStringConvertible {
    let path: String
    let flaws: String

    var description: String {
        "\(path) looks like a part of a tree: \(flaws). Nothing was sent. Name the other half of a pair with --build-dir, or send it "
            + "as it is with --incomplete."
    }
}
