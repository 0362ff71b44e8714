import KernelHeaders

/// What one tree has more, less and other than another: two sorted lists, walked side by side.
struct TreeDifference: Sendable, Equatable {
    /// Paths in their order, and how many there are; the first ``maximumPaths`` are kept.
    struct Part: Sendable, Equatable {
        private(set) var count = 0
        private(set) var paths: [String] = []

        mutating func add(_ path: HeaderPath) {
            count += 1
            if paths.count < TreeDifference.maximumPaths { paths.append("\(path)") }
        }
    }

    static let maximumPaths = 500

    private(set) var added = Part()
    private(set) var removed = Part()
    /// With other contents, another target, or another executable bit.
    private(set) var changed = Part()
    /// How many are the same.
    private(set) var equal = 0

    init(from old: TreeManifest, to new: TreeManifest) {
        var (olds, news) = (old.entries[...], new.entries[...])
        while let old = olds.first, let new = news.first {
            if old.path == new.path {
                if old.kind == new.kind { equal += 1 } else { changed.add(new.path) }
                olds.removeFirst()
                news.removeFirst()
            } else if old.path < new.path {
                removed.add(old.path)
                olds.removeFirst()
            } else {
                added.add(new.path)
                news.removeFirst()
            }
        }
        for entry in olds { removed.add(entry.path) }
        for entry in news { added.add(entry.path) }
    }

    var isEmpty: Bool { added.count + removed.count + changed.count == 0 }
}
