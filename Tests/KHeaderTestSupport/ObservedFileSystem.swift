public import HeaderStore

/// One call by which the store changes its folder, with the paths as they were given.
public enum FileSystemCall: Sendable, Equatable, CustomStringConvertible {
    case makeDirectory(String)
    case create(String)
    case write(String, bytes: Int)
    case truncate(String, length: Int)
    case sync(String)
    case close(String)
    case rename(String, to: String)
    case remove(String)
    case syncDirectory(String)

    /// The call's name, as in ``HeaderStore/FileSystem``.
    public var name: String { String(description.prefix { $0 != " " }) }

    public var description: String {
        switch self {
        case .makeDirectory(let path): "makeDirectory \(path)"
        case .create(let path): "create \(path)"
        case .write(let path, let bytes): "write \(path), \(bytes) bytes"
        case .truncate(let path, let length): "truncate \(path) to \(length)"
        case .sync(let path): "sync \(path)"
        case .close(let path): "close \(path)"
        case .rename(let path, let target): "rename \(path) to \(target)"
        case .remove(let path): "remove \(path)"
        case .syncDirectory(let path): "syncDirectory \(path)"
        }
    }
}

/// A file system that tells of each call before it is made and after it succeeded. What the observer throws is what the
/// call throws; thrown before, the call is not made.
public struct ObservedFileSystem: FileSystem {
    public enum Moment: String, Sendable {
        case before, after
    }

    public typealias Observer = @Sendable (Moment, FileSystemCall) throws -> Void

    private let base = PosixFileSystem()
    private let observer: Observer

    public init(_ observer: @escaping Observer) { self.observer = observer }

    public func makeDirectory(_ path: String) throws {
        try observed(.makeDirectory(path)) { try base.makeDirectory(path) }
    }

    public func create(_ path: String) throws -> any WritableFile {
        let file = try observed(.create(path)) { try base.create(path) }
        return ObservedFile(file, path: path, observer: observer)
    }

    public func rename(_ path: String, to target: String) throws {
        try observed(.rename(path, to: target)) { try base.rename(path, to: target) }
    }

    public func remove(_ path: String) throws { try observed(.remove(path)) { try base.remove(path) } }

    public func syncDirectory(_ path: String) throws {
        try observed(.syncDirectory(path)) { try base.syncDirectory(path) }
    }

    private func observed<Value>(_ call: FileSystemCall, _ body: () throws -> Value) throws -> Value {
        try observer(.before, call)
        let value = try body()
        try observer(.after, call)
        return value
    }
}

private final class ObservedFile: WritableFile {
    private let base: any WritableFile
    private let path: String
    private let observer: ObservedFileSystem.Observer

    init(_ base: any WritableFile, path: String, observer: @escaping ObservedFileSystem.Observer) {
        self.base = base
        self.path = path
        self.observer = observer
    }

    var descriptor: CInt { base.descriptor }

    func write(_ bytes: UnsafeRawBufferPointer) throws {
        try observed(.write(path, bytes: bytes.count)) { try base.write(bytes) }
    }

    func truncate(to length: Int) throws {
        try observed(.truncate(path, length: length)) { try base.truncate(to: length) }
    }

    func sync() throws { try observed(.sync(path)) { try base.sync() } }

    func close() throws { try observed(.close(path)) { try base.close() } }

    private func observed(_ call: FileSystemCall, _ body: () throws -> Void) throws {
        try observer(.before, call)
        try body()
        try observer(.after, call)
    }
}
