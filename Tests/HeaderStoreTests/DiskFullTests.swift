import Glibc
import HeaderArchive
import KHeaderTestSupport
import KernelHeaders
import OperatorDocuments
import Synchronization
import Testing

@testable import HeaderStore

/// Promise 7: room is reserved before it is written; derived data gives way first; then uploads are refused.
@Suite struct DiskFullTests {
    private let first: StoredKernel
    private let second: StoredKernel

    init() throws {
        first = try StoredKernel(id: 1, revision: 1)
        second = try StoredKernel(id: 2, revision: 2)
    }

    @Test func anUploadThatUnpacksToMoreThanThereIsRoomForIsRefused() async throws {
        // 12 MB in an archive of some kilobytes: over the 8 MB that are reserved at a time.
        var files = ["include/linux/bpf.h": [UInt8(1)]]
        for number in 0..<3 { files["include/\(number).h"] = [UInt8](repeating: UInt8(number), count: 4 << 20) }
        let large = try StoredKernel(id: 2, files: files)
        let archive = try CompressionTool.zstd.compress(large.archive)
        try await withTemporaryFolder { folder in
            let state = folder.path("store")
            let store = try HeaderStore(folder: state) { $0.freeBytes = { DiskBudget.margin + (9 << 20) } }
            try await store.put(first)
            let problem = await #expect(throws: Problem.self) {
                try await store.put(archive, as: KernelIdentity(buildID: large.id))
            }
            #expect(problem?.code == .diskFull)
            #expect(try await !store.has(large))
            try await store.requireNoStrays(in: state)
            try await store.requireWhole(first)
            #expect(try await store.put(second).isNew)
        }
    }

    /// So that what an operator does about a full disk can be written down.
    @Test func bundlesGiveWayToWhatOperatorsDo() async throws {
        for act in ["pin", "unpin", "delete", "collect", "verify"] {
            try await withTemporaryFolder { folder in
                let isFull = Mutex(false)
                let store = try HeaderStore(folder: folder.path("store")) {
                    $0.freeBytes = { DiskBudget.margin + (isFull.withLock { $0 } ? 0 : 1 << 30) }
                }
                try await store.put(first)
                _ = try await store.bundleBytes(first, .tar)
                isFull.withLock { $0 = true }
                switch act {
                case "pin": _ = try await store.pin(first.id)
                case "unpin": try await store.unpin(first.id)
                case "delete": try await store.purge(first.id)
                case "collect": _ = try await store.collect()
                default: _ = store.startVerify()
                }
                let status = try await store.status()
                #expect(status.bundleBytes == 0 && status.isReadOnly == true, "\(act)")
                await store.stopUpkeep()
                try store.close()
            }
        }
    }

    @Test func bundlesGiveWayToUploads() async throws {
        try await withTemporaryFolder { folder in
            let state = folder.path("store")
            // The disk has room for 8 MB, which is the least that is reserved, and for half of one bundle.
            let capacity = Mutex(Int.max / 2)
            let store = try HeaderStore(folder: state) {
                $0.freeBytes = {
                    let names = try FolderListing.names(in: "\(state)/bundles")
                    let used = try names.reduce(0) {
                        $0 + (try FileSource(path: "\(state)/bundles/\($1)").readAll().count)
                    }
                    return DiskBudget.margin + capacity.withLock { $0 } - used
                }
            }
            try await store.put(first)
            for format in BundleFormat.allCases { _ = try await store.bundleBytes(first, format) }
            // Not asked for lately: the tar is the next to go, and the others have to go with it.
            let bytes = try await store.status().bundleBytes
            let newest = try await store.bundleBytes(first, .tarXZ).count
            capacity.withLock { $0 = (8 << 20) + newest }
            #expect(try await store.put(second).isNew)
            let left = try await store.status().bundleBytes
            #expect(left == newest && left < bytes)
            try await store.requireNoStrays(in: state)

            // Nothing is left to give way: the upload is refused, and what is there is served.
            capacity.withLock { $0 = 0 }
            let third = try StoredKernel(id: 3, revision: 3)
            let problem = await #expect(throws: Problem.self) { try await store.put(third) }
            #expect(problem?.code == .diskFull)
            #expect(try await store.status().bundleBytes == 0)
            let noBundle = await #expect(throws: Problem.self) { try await store.bundleBytes(first, .tar) }
            #expect(noBundle?.code == .diskFull)
            try await store.requireNoStrays(in: state)
            for (path, contents) in second.contents {
                #expect(try await store.file(at: path, in: second.manifest.digest).bytes == contents)
            }
            capacity.withLock { $0 = .max / 2 }
            #expect(try await store.put(third).isNew)
            try await store.requireWhole(first)
        }
    }

    /// Each call by which the store changes its folder fails once. The store goes on without a restart.
    @Test(arguments: [ENOSPC, EIO])
    func afterAnyCallThatFailsTheStoreIsAsItWas(number: CInt) async throws {
        let failure = FailingCall(number: number)
        try await withTemporaryFolder { folder in
            let state = folder.path("store")
            let store = try HeaderStore(folder: state) { $0.files = failure.files }
            try await store.put(first)
            var failed: Set<String> = []
            var leftovers: [String] = []
            for call in 1... {
                let kernel = try StoredKernel(id: UInt8(call + 1), revision: call + 1)
                failure.arm(afterCalls: call)
                var error: SystemCallError?
                do { try await store.put(kernel) } catch let thrown as SystemCallError { error = thrown }
                guard let name = failure.disarm() else { break }
                failed.insert(name)
                if let error {
                    #expect(error.number == number)
                    #expect(try await !store.has(kernel))
                } else {
                    // It was taken in already; what failed was tidying up.
                    #expect(name == "remove" || name == "close")
                    #expect(try await store.has(kernel))
                }
                // A file that can't be removed stays until the next start.
                let staged = try FolderListing.names(in: "\(state)/staging").sorted()
                if name == "remove" { leftovers = staged }
                #expect(staged == leftovers, "after \(name)")
                try await store.requireWhole(first)
                try await store.put(kernel)
                try await store.requireWhole(kernel)
            }
            #expect(failed == ["create", "write", "truncate", "sync", "close", "rename", "syncDirectory", "remove"])
            try store.close()
            let again = try HeaderStore(folder: state)
            try await again.requireNoStrays(in: state)
        }
    }
}

/// Makes one call of a file system fail.
private final class FailingCall: Sendable {
    private let number: CInt
    private let state = Mutex<(left: Int, failed: String?)>((0, nil))

    init(number: CInt) { self.number = number }

    var files: any FileSystem {
        ObservedFileSystem { [self] moment, call in
            guard moment == .before else { return }
            try state.withLock { state in
                guard state.left > 0 else { return }
                state.left -= 1
                guard state.left == 0 else { return }
                state.failed = call.name
                throw SystemCallError(call: call.name, path: nil, number: number)
            }
        }
    }

    /// The n-th call from now fails.
    func arm(afterCalls calls: Int) { state.withLock { $0 = (calls, nil) } }

    /// - Returns: the name of the call that failed, or nil if there were not that many.
    func disarm() -> String? {
        state.withLock { state in
            state.left = 0
            return state.failed
        }
    }
}
