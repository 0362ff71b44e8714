import HeaderStore
import KHeaderTestSupport
import KernelHeaders
import OperatorDocuments
import Testing

@testable import struct HeaderStore.KernelCursor

@Suite struct KernelListTests {
    /// The mark of the last two makes one character with the dot that is before it in a cursor.
    private static let releases = ["", "5.10.0", "6.1.0", "6.1.0", "6.10.0", "6.9.0", "\u{301}.odd", "\u{301}x"]

    @Test(arguments: [1, 2, 3, 7, 8, 100])
    func pagesHaveAllKernelsInTheOrderOfReleaseAndBuildID(limit: Int) async throws {
        try await withTemporaryFolder { folder in
            let store = try HeaderStore(folder: folder.path("store"))
            for (number, release) in Self.releases.enumerated().reversed() {
                let kernel = try StoredKernel(id: UInt8(number + 1), files: ["include/linux/bpf.h": [1]])
                try await store.put(kernel, release: release)
            }
            var listed: [(String, UInt8)] = []
            var cursor: String?
            var pages = 0
            repeat {
                let page = try await store.kernels(after: cursor, limit: limit)
                #expect(page.kernels.count <= limit)
                listed += page.kernels.map { ($0.identity.release ?? "", $0.identity.buildID.bytes[0]) }
                cursor = page.next
                pages += 1
            } while cursor != nil
            #expect(pages == (Self.releases.count + limit - 1) / limit)
            #expect(listed.map(\.0) == Self.releases)
            #expect(listed.map(\.1) == Array(1...8))
        }
    }

    @Test func aKernelThatComesOrGoesDoesNotMoveThePages() async throws {
        try await withTemporaryFolder { folder in
            let store = try HeaderStore(folder: folder.path("store"))
            for id in [2, 4] as [UInt8] {
                try await store.put(try StoredKernel(id: id, files: ["include/a.h": [1]]), release: "6.1")
            }
            let next = try await store.kernels(limit: 1).next
            try await store.put(try StoredKernel(id: 1, files: ["include/a.h": [1]]), release: "6.1")
            try await store.put(try StoredKernel(id: 3, files: ["include/a.h": [1]]), release: "6.1")
            let page = try await store.kernels(after: next, limit: 10)
            #expect(page.kernels.map { $0.identity.buildID.bytes[0] } == [3, 4])
            #expect(page.next == nil)
        }
    }

    @Test func anEmptyStoreHasAnEmptyList() async throws {
        try await withTemporaryFolder { folder in
            let store = try HeaderStore(folder: folder.path("store"))
            #expect(try await store.kernels(limit: 1) == KernelList(kernels: [], next: nil))
        }
    }

    @Test(arguments: [
        "", ".", "x.6.1", "0102", "0102.6.1", "release-asc", "release-asc.0102", "release-asc.0102x.6.1",
        "release-asc.ABCD.6.1", "release-asc.010.6.1", "release.0102.6.1", "none-asc.0102.6.1",
    ])
    func aCursorThatWasNotGivenIsRefused(text: String) async throws {
        try await withTemporaryFolder { folder in
            let store = try HeaderStore(folder: folder.path("store"))
            let problem = await #expect(throws: Problem.self) { try await store.kernels(after: text, limit: 1) }
            #expect(problem?.code == .parameterMalformed)
        }
    }

    @Test func aCursorIsReadAsItWasWritten() throws {
        let order = KernelCursor.Order(KernelQuery())
        for text in ["0102.", "0102.6.1.0-56-amd64", "ff.a.b.c", "0102.\u{301}"] {
            #expect(try KernelCursor("release-asc.\(text)", for: order).description == "release-asc.\(text)")
        }
        #expect(try KernelCursor("release-asc.0102.6.1", for: order).value == .text("6.1"))
        let hosts = KernelCursor.Order(KernelQuery(sort: .hosts))
        #expect(try KernelCursor("hosts-desc.0102.6", for: hosts).value == .number(6))
        for text in ["hosts-desc.0102.", "hosts-desc.0102.x", "hosts-desc.0102.99999999999999999999"] {
            #expect(throws: Problem.self) { try KernelCursor(text, for: hosts) }
        }
    }
}
