internal import Glibc
internal import HeaderArchive
public import HeaderStore
internal import Synchronization

/// Shows what of a store's folder a power loss would leave, at each step: only what was synced (POSIX `fsync`).
///
/// Contents that were not synced are gone, a file's as well as what was appended to it since; a name that was made, changed
/// or removed is as it was before, until its folder is synced. Real disks keep some of it; this keeps none. The catalogue's
/// files, which SQLite writes itself, are taken as they are.
public final class PowerLoss: Sendable {
    /// A promise of the disk that is not kept: a store that does not ask for it must not look better than one that does.
    public enum Lie: Sendable {
        case fileSync, directorySync
    }

    private struct State {
        var isWatching = false
        /// Bytes that are safe, of each file made since.
        var safeLengths: [String: Int] = [:]
        var renames: [(from: String, target: String)] = []
        var folders: [String] = []
        /// Whether the folder that is being made was not there.
        var isNew = false
        var removals: [(path: String, kept: String)] = []
        var pictures: [String] = []
        var counter = 0
    }

    private let root: String
    private let gallery: String
    private let lies: Set<Lie>
    private let state = Mutex(State())

    /// - Parameters:
    ///   - root: the store's folder.
    ///   - gallery: an empty folder, on the same file system, for the pictures.
    public init(of root: String, gallery: String, lies: Set<Lie> = []) {
        self.root = root
        self.gallery = gallery
        self.lies = lies
    }

    /// The file system that the store has to use.
    public var files: any FileSystem {
        ObservedFileSystem { [self] moment, call in
            try state.withLock { state in
                if moment == .before, case .remove(let path) = call { try keep(path, &state) }
                // What a file is put in the place of may be there again.
                if moment == .before, case .rename(_, let target) = call { try keep(target, &state) }
                if moment == .before, case .makeDirectory(let path) = call { state.isNew = access(path, F_OK) != 0 }
                guard moment == .after else { return }
                take(call, &state)
                if state.isWatching { try takePicture(&state) }
            }
        }
    }

    /// From here on there is a picture after each call.
    public func watch() { state.withLock { $0.isWatching = true } }

    /// Takes a picture now.
    public func takePicture() throws { try state.withLock { try takePicture(&$0) } }

    /// The folders as they would be found, in the order of the steps. There may be none, if its name was not safe.
    public var pictures: [String] { state.withLock { $0.pictures } }

    private func take(_ call: FileSystemCall, _ state: inout State) {
        switch call {
        case .makeDirectory(let path): if state.isNew { state.folders.append(path) }
        case .create(let path): state.safeLengths[path] = 0
        case .write, .close: break
        case .truncate(let path, let length): state.safeLengths[path] = min(state.safeLengths[path] ?? length, length)
        case .sync(let path): if !lies.contains(.fileSync) { state.safeLengths[path] = Self.length(path) }
        case .rename(let path, let target):
            state.renames.append((path, target))
            state.safeLengths[target] = state.safeLengths.removeValue(forKey: path)
        case .remove(let path): state.safeLengths[path] = nil
        case .syncDirectory(let path):
            guard !lies.contains(.directorySync) else { return }
            let isInside = { Self.parent($0) == Self.real(path) }
            state.renames.removeAll { isInside($0.target) }
            state.folders.removeAll(where: isInside)
            state.removals.removeAll { isInside($0.path) }
        }
    }

    /// Keeps a second name of a file that is about to be removed.
    private func keep(_ path: String, _ state: inout State) throws {
        state.counter += 1
        let kept = "\(gallery)/removed-\(state.counter)"
        if link(path, kept) == 0 { state.removals.append((path, kept)) }
    }

    private func takePicture(_ state: inout State) throws {
        state.counter += 1
        let picture = "\(gallery)/\(state.counter)"
        state.pictures.append(picture)
        func pictured(_ path: String) -> String { picture + path.dropFirst(root.utf8.count) }
        try ShellCommand("cp", "-a", root, picture).output()
        // An index into the journal, which SQLite makes again.
        unlink("\(picture)/catalogue.sqlite-shm")
        for (path, length) in state.safeLengths { truncate(pictured(path), off_t(length)) }
        for change in state.renames.reversed() { rename(pictured(change.target), pictured(change.from)) }
        for removal in state.removals { link(removal.kept, pictured(removal.path)) }
        for folder in state.folders.reversed() { try ShellCommand("rm", "-rf", pictured(folder)).output() }
    }

    private static func length(_ path: String) -> Int {
        var status = stat()
        return stat(path, &status) == 0 ? Int(status.st_size) : 0
    }

    /// The folder that a path is in.
    private static func parent(_ path: String) -> String {
        let bytes = Array(path.utf8)
        return real(String(decoding: bytes[..<(bytes.lastIndex(of: UInt8(ascii: "/")) ?? 0)], as: UTF8.self))
    }

    /// Without `..` in it.
    private static func real(_ path: String) -> String {
        guard let real = realpath(path, nil) else { return path }
        defer { free(real) }
        return String(cString: real)
    }
}
