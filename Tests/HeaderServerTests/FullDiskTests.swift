import HeaderStore
import KHeaderTestSupport
import Logging
import Testing

/// What a server says of a disk that is full when it starts.
@Suite struct FullDiskTests {
    @Test(arguments: [(64 << 20, true), (65 << 20, false)])
    func aStoreThatTakesNothingSaysSo(free: Int, isFull: Bool) async throws {
        let log = CollectedLog()
        try await withRunningServer(logger: log.logger, options: { $0.freeBytes = { free } }) { server in
            let line = log.lines.first { $0.message == "the disk is full: nothing is taken until there is room" }
            #expect((line != nil) == isFull)
            let expected: Logger.Metadata = [
                "folder": "\(server.folder.path("store"))", "free": "67.1 MB", "left free": "67.1 MB",
            ]
            #expect(!isFull || line?.metadata == expected)
            let readiness = try await server.get("/readyz")
            #expect(readiness.status == (isFull ? 503 : 200))
        }
    }

    /// On a disk that is full in earnest.
    @Test(.enabled(if: SmallDisk.canMount)) func theFileThatCantBeWrittenIsNamed() throws {
        let disk = try SmallDisk(bytes: 1 << 20)
        let state = try ShellCommand("mkdir", "\(disk.path)/store").output().isEmpty ? "\(disk.path)/store" : ""
        try disk.fillUp(leaving: 0)
        let error = #expect(throws: (any Error).self) {
            try TokenFile(state: state).create(role: .client, label: "x", expires: nil, now: 1)
        }
        #expect("\(error.map { "\($0)" } ?? "")" == "write \(state)/tokens.json.new: No space left on device")
    }
}
