/// The calls by which the store changes its folder. A seam: tests stop the process before and after each of them.
///
/// Reading is not here: a crash while reading changes nothing.
public protocol FileSystem: Sendable {
    func makeDirectory(_ path: String) throws
    /// Makes a file that must not exist yet, open for reading and writing.
    func create(_ path: String) throws -> any WritableFile
    /// Puts a file in another's place, or where none is.
    func rename(_ path: String, to target: String) throws
    /// Removes a file; one that is not there is no error.
    func remove(_ path: String) throws
    /// Makes the names in a folder durable: without it a renamed file may be gone after a power loss.
    func syncDirectory(_ path: String) throws
}

/// A file that is being written. Not closed by itself.
public protocol WritableFile: AnyObject {
    /// Open for reading and writing until ``close()``.
    var descriptor: CInt { get }
    /// Appends.
    func write(_ bytes: UnsafeRawBufferPointer) throws
    /// Cuts off what is behind, and goes on from there.
    func truncate(to length: Int) throws
    /// Makes the contents durable.
    func sync() throws
    func close() throws
}
