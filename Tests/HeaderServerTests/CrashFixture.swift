import HeaderArchive
import HeaderStore
import KHeaderTestSupport
import KernelHeaders
import Synchronization
import Testing

/// A store with one acknowledged kernel and its `tar.zst`, closed, of which each crash gets a copy.
struct StoreWithKernel: Sendable {
    /// Its folder.
    let state: String
    let bundle: [UInt8]
    private let folder: TemporaryFolder

    init(_ kernel: StoredKernel, in folder: TemporaryFolder) async throws {
        self.folder = folder
        state = folder.path("base")
        let store = try HeaderStore(folder: state)
        try await store.put(kernel)
        bundle = try await store.bundleBytes(kernel, .tarZstd)
        try store.close()
    }

    /// - Returns: the copy's folder.
    func copy(named name: String) throws -> String {
        try ShellCommand("cp", "-a", state, folder.path(name)).output()
        return folder.path(name)
    }

    /// All that a crash, or a careless hand, may leave in a store's folder.
    func leaveRemains() throws {
        for name in try FolderListing.names(in: "\(state)/bundles") {
            try PosixFileSystem().remove("\(state)/bundles/\(name)")
        }
        let digest = Digest(of: [])
        for name in [
            "staging/4-btf", "staging/1-upload", "staging/2-blobs", "staging/3-pack", "packs/\(digest).khpack",
            "bundles/\(digest).tar",
        ] {
            try folder.write(Array(name.utf8), to: "base/\(name)")
        }
    }
}

extension CrashingProcess {
    /// Sends a request, once the server listens.
    ///
    /// - Returns: the answer; nil if the server died before it gave one.
    @discardableResult
    func ask(_ send: (HTTPConnection) async -> Bool) async throws -> HTTPAnswer? {
        guard let port = try await port() else { throw Unexpected(description: "CrashingServer did not listen") }
        let connection = try HTTPConnection(port: port)
        defer { connection.close() }
        _ = await send(connection)
        do {
            return try await connection.answer()
        } catch is HTTPAnswer.Malformed {
            return nil
        }
    }

    /// Waits until the server listens or is dead, and ends it.
    func startAndStop() async throws -> End { try await port() == nil ? end() : stop() }
}

extension HTTPConnection {
    func put(_ kernel: StoredKernel) async -> Bool { await put(kernel.archive, to: APIPath.headers(kernel.id)) }

    func put(btf: [UInt8], of id: BuildID) async -> Bool { await put(btf, to: APIPath.btf(id)) }

    func delete(_ id: BuildID) async -> Bool {
        await send("DELETE \(APIPath.kernel(id)) HTTP/1.1\r\nHost: localhost\r\n\r\n")
    }

    func post(_ sighting: Sighting) async -> Bool {
        let body = Array(TestSightings.json(sighting).utf8)
        return await send(body, with: "POST", to: APIPath.sightings(sighting.kernel.buildID))
    }

    private func put(_ body: [UInt8], to target: String) async -> Bool { await send(body, with: "PUT", to: target) }

    private func send(_ body: [UInt8], with method: String, to target: String) async -> Bool {
        let head = "\(method) \(target) HTTP/1.1\r\nHost: localhost\r\nContent-Length: \(body.count)\r\n\r\n"
        return await send(Array(head.utf8) + body)
    }
}

/// Calls the body with 1, 2, 3 and so on, two at a time, until there is no such step any more.
///
/// - Returns: at which steps the deaths were.
func everyStep(_ body: @escaping @Sendable (Int) async throws -> CrashingProcess.End) async throws -> [String] {
    let steps = Steps()
    try await withThrowingTaskGroup { group in
        for _ in 0..<2 {
            group.addTask {
                while true {
                    let step = steps.next()
                    switch try await body(step) {
                    case .died(let description): steps.died(at: description)
                    case .lived(let steps):
                        #expect(steps < step)
                        return
                    }
                }
            }
        }
        try await group.waitForAll()
    }
    return steps.deaths
}

private final class Steps: Sendable {
    private let state = Mutex<(last: Int, deaths: [String])>((0, []))

    var deaths: [String] { state.withLock { $0.deaths } }

    func next() -> Int {
        state.withLock { state in
            state.last += 1
            return state.last
        }
    }

    func died(at description: String) { state.withLock { $0.deaths.append(description) } }
}

/// Checks that there was a death before and one after each of these calls.
func expectAllCalls(in deaths: [String], _ calls: String...) {
    for call in calls {
        for moment in ["before", "after"] { #expect(deaths.contains { $0.contains(" \(moment) \(call) ") }) }
    }
}
