import KHeaderTestSupport
import KernelHeaders
import Testing

@testable import HeaderStore

@Suite struct StoredManifestTests {
    @Test func theFormIsTheDocumentedOne() throws {
        let manifest = StoredManifest(entries: [
            entry("include/a.h", .file(number: 7, executable: false)),
            entry("include/ab.h", .file(number: 8, executable: true)),
            entry("include/b", .link(target: "a.h")),
            entry("include/c.h", .file(number: 3, executable: false)),
        ])
        var expected: [UInt8] = [1, 4]
        expected += [0, 11] + Array("include/a.h".utf8) + [0]
        expected += [9, 3] + Array("b.h".utf8) + [1]
        expected += [8, 1] + Array("b".utf8) + [2, 3] + Array("a.h".utf8)
        expected += [8, 3] + Array("c.h".utf8) + [0]
        // 7 after -1; 8 after 7; 3 after 8, which is -6.
        expected += [14, 0, 11]
        #expect(manifest.encoded == expected)
        #expect(try StoredManifest(encoded: expected) == manifest)
    }

    @Test func whatWasEncodedIsDecoded() throws {
        let kernel = try SmallKernel(hasLargeFile: false).manifest
        var random = SeededGenerator(seed: 3)
        let stored = StoredManifest(
            entries: kernel.entries.map { item in
                switch item.kind {
                case .link(let target): .init(path: item.path, kind: .link(target: target))
                case .file(_, _, let executable):
                    .init(
                        path: item.path,
                        kind: .file(number: Int.random(in: 0...1 << 40, using: &random), executable: executable))
                }
            })
        #expect(try StoredManifest(encoded: stored.encoded) == stored)
        #expect(try StoredManifest(encoded: StoredManifest(entries: []).encoded).entries.isEmpty)
    }

    @Test func everyTruncationIsDamage() throws {
        let bytes = sample.encoded
        for length in 0..<bytes.count { expectDamage { _ = try StoredManifest(encoded: Array(bytes.prefix(length))) } }
        expectDamage { _ = try StoredManifest(encoded: bytes + [0]) }
    }

    @Test(
        arguments: [
            [2, 0],  // another version
            [1, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F],  // more entries than bytes
            [1, 1, 1, 1, 0x61, 0, 0],  // shares bytes with nothing
            [1, 1, 0, 1, 0x2F, 0, 0],  // the path "/"
            [1, 1, 0, 2, 0x2E, 0x2E, 0, 0],  // the path ".."
            [1, 1, 0, 1, 0x61, 3, 0],  // an unknown kind
            [1, 1, 0, 1, 0x61, 0, 3],  // a negative number
        ] as [[UInt8]])
    func whatNoStoreWritesIsDamage(bytes: [UInt8]) {
        expectDamage { _ = try StoredManifest(encoded: bytes) }
    }

    @Test func anyMutationIsDamageOrAnotherManifest() throws {
        let bytes = sample.encoded
        var random = SeededGenerator(seed: 4)
        for _ in 0..<5000 {
            let mutated = bytes.mutated(&random)
            do {
                let manifest = try StoredManifest(encoded: mutated)
                // What can be read can be written, and says the same then.
                let again = try StoredManifest(encoded: manifest.encoded)
                if again != manifest { Issue.record("\(mutated) is read in two ways") }
            } catch let problem as Problem where problem.code == .storeDamaged {
            }
        }
    }

    private var sample: StoredManifest {
        StoredManifest(entries: [
            entry("arch/x86/include/asm/page.h", .file(number: 1000, executable: false)),
            entry("include/linux/bpf.h", .file(number: 200, executable: true)),
            entry("include/linux/bpf_types.h", .link(target: "bpf.h")),
            entry("include/linux/sched.h", .file(number: 1001, executable: false)),
        ])
    }

    private func entry(_ path: String, _ kind: StoredManifest.Entry.Kind) -> StoredManifest.Entry {
        guard let path = HeaderPath(path) else { preconditionFailure("\(path) is a path") }
        return .init(path: path, kind: kind)
    }
}
