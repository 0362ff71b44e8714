internal import CLinux
internal import Glibc
internal import HeaderArchive
internal import Testing

/// Runs something on a thread of its own that has no capabilities: files of other users, and those that nobody may read,
/// are closed to it, though root runs the tests.
func withoutCapabilities<Value>(_ body: @escaping @Sendable () throws -> Value) throws -> Value {
    let work = UnprivilegedThread(body)
    var thread = pthread_t()
    let started = pthread_create(
        &thread, nil,
        { context in
            if let context { Unmanaged<UnprivilegedWork>.fromOpaque(context).takeUnretainedValue().run() }
            return nil
        }, Unmanaged<UnprivilegedWork>.passUnretained(work).toOpaque())
    guard started == 0 else { throw SystemCallError(call: "pthread_create", path: nil, number: started) }
    pthread_join(thread, nil)
    return try #require(work.result).get()
}

/// What C's callback can name: it knows no type parameters.
private class UnprivilegedWork {
    func run() {}
}

private final class UnprivilegedThread<Value>: UnprivilegedWork {
    private let body: () throws -> Value
    private(set) var result: Result<Value, any Error>?

    init(_ body: @escaping () throws -> Value) { self.body = body }

    override func run() {
        result = Result {
            var none = khd_capabilities()
            try SystemCallError.check("capset", nil) { khd_set_capabilities(&none) }
            return try body()
        }
    }
}
