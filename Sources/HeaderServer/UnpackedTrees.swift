import HeaderStore
import KernelHeaders

/// Trees as folders, for compilers: each is unpacked once, and the last ones are kept while there is work, as several builds
/// want the same.
actor UnpackedTrees {
    private struct Entry {
        let tree: Digest
        let folder: Task<StagingFolder, any Error>
        var users = 0
    }

    private let store: HeaderStore
    /// Trees that are kept, used or not.
    private let capacity: Int
    /// The last used is the last.
    private var entries: [Entry] = []

    init(store: HeaderStore, capacity: Int) {
        self.store = store
        self.capacity = capacity
    }

    /// - Parameter body: gets the folder's path. It must not change what is in it.
    /// - Throws: what unpacking throws, what the body throws.
    func with<Value: Sendable>(
        _ tree: Digest, _ body: @Sendable (String) async throws -> Value
    ) async throws -> Value {
        let folder = take(tree)
        do {
            let value = try await body(try await folder.value.path)
            await release(tree, folder)
            return value
        } catch {
            await release(tree, folder)
            throw error
        }
    }

    private func take(_ tree: Digest) -> Task<StagingFolder, any Error> {
        var entry: Entry
        if let index = entries.firstIndex(where: { $0.tree == tree }) {
            entry = entries.remove(at: index)
        } else {
            entry = Entry(
                tree: tree,
                folder: Task { [store] in
                    let folder = try store.makeStagingFolder("tree")
                    try await store.unpack(tree: tree, into: folder.path)
                    return folder
                })
        }
        entry.users += 1
        entries.append(entry)
        return entry.folder
    }

    private func release(_ tree: Digest, _ folder: Task<StagingFolder, any Error>) async {
        guard let index = entries.firstIndex(where: { $0.tree == tree && $0.folder == folder }) else { return }
        entries[index].users -= 1
        // One that could not be unpacked is tried again.
        if case .failure = await folder.result { entries.removeAll { $0.folder == folder } }
        await remove(downTo: capacity)
    }

    /// Removes the folders that nobody uses.
    func clear() async { await remove(downTo: 0) }

    private func remove(downTo count: Int) async {
        while entries.count > count, let index = entries.firstIndex(where: { $0.users == 0 }) {
            let entry = entries.remove(at: index)
            try? await entry.folder.value.remove()
        }
    }
}
