import Glibc
import KHeaderTestSupport
import Testing

@testable import TracingClient

/// Locks of the cache, and processes that have their descriptors.
@Suite struct FileLockTests {
    /// A process between `fork` and `exec` has a copy of each descriptor, and would hold what its parent has let go of. What a
    /// program is to keep, it keeps.
    @Test(arguments: [false, true]) func whatIsLetGoOfIsFree(isKept: Bool) throws {
        try withTemporaryFolder { folder in
            let path = folder.path("lock")
            var lock = try FileLock.exclusive(path)
            let copy = dup(try #require(lock).descriptor)
            defer { close(copy) }
            if isKept { _ = fcntl(try #require(lock).descriptor, F_SETFD, 0) }
            #expect(try FileLock.exclusive(path) == nil)
            lock = nil
            #expect(try (FileLock.exclusive(path) != nil) == !isKept)
        }
    }
}
