import KHeaderTestSupport
import KernelHeaders
import Testing

@testable import HeaderServer

@Suite struct TreeDifferenceTests {
    private func tree(_ entries: [String: TreeManifest.Kind]) throws -> TreeManifest {
        TreeManifest(entries: try entries.map { .init(path: try #require(HeaderPath($0.key)), kind: $0.value) })
    }

    private func file(_ text: String, executable: Bool = false) -> TreeManifest.Kind {
        .file(size: text.utf8.count, digest: Digest(of: Array(text.utf8)), executable: executable)
    }

    @Test func eachPathIsInOnePart() throws {
        let old = try tree([
            "a": file("1"), "b": file("1"), "b/c": file("1"), "d": .link(target: "a"), "e": file("1"), "z": file("1"),
        ])
        let new = try tree([
            "0": file("1"), "a": file("1"), "b": file("2"), "b/c": file("1", executable: true), "d": .link(target: "b"),
            "f": file("1"),
        ])
        let difference = TreeDifference(from: old, to: new)
        #expect(difference.added.paths == ["0", "f"])
        #expect(difference.removed.paths == ["e", "z"])
        #expect(difference.changed.paths == ["b", "b/c", "d"])
        #expect(difference.equal == 1 && !difference.isEmpty)
        let back = TreeDifference(from: new, to: old)
        #expect(back.added == difference.removed && back.removed == difference.added)
        #expect(TreeDifference(from: old, to: old).isEmpty)
        #expect(TreeDifference(from: try tree([:]), to: new).added.count == 6)
    }

    @Test func whatIsTooMuchIsCounted() throws {
        let count = TreeDifference.maximumPaths + 1
        let new = TreeManifest(
            entries: try (0..<count).map { .init(path: try #require(HeaderPath("f\($0)")), kind: file("1")) })
        let difference = TreeDifference(from: TreeManifest(entries: []), to: new)
        #expect(difference.added.count == count && difference.added.paths.count == count - 1)
        #expect(difference.added.paths.first == "f0")
    }
}
