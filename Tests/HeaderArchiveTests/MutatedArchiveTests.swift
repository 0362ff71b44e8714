import HeaderArchive
import KHeaderTestSupport
import KernelHeaders
import Testing

/// Archives with random damage: read or refused, but no trap, and nothing written beside the folder.
@Suite struct MutatedArchiveTests {
    /// Something of everything, in few files: each archive is unpacked.
    static let tar: [UInt8] = {
        var forge = TarForge.withHeader()
        forge.addPax([("comment", "for all")], global: true)
        forge.addFolder("./include/linux/")
        forge.addFile("./include/linux/sched.h", SmallKernel().contents("include/linux/sched.h") ?? [])
        forge.addFile("./include/linux/empty.h")
        forge.addFile("./arch/x86/include/asm/page.h", "#define PAGE_SIZE 4096\n", mode: 0o755)
        forge.addLink("./include/linux/link.h", to: "../linux/sched.h")
        forge.addHardLink("./include/linux/same.h", to: "./include/linux/sched.h")
        forge.addPax([("path", "./" + SmallKernel.longPath), ("size", "3")])
        forge.addFile("cut", "pax")
        forge.addGNULong(Array(("./" + SmallKernel.veryLongPath).utf8))
        forge.addFile("cut", "gnu")
        forge.addGNULong(Array("linux/empty.h".utf8), flag: "K")
        forge.addLink("./include/last.h", to: "cut")
        return forge.finished()
    }()

    /// Numbers from the range name the seed, so a failure can be repeated alone.
    @Test(arguments: 0..<8)
    func mutatedTars(_ seed: Int) throws {
        try Self.unpackAll(seed: seed, count: 30) { random in
            var mutation = TarMutation(Self.tar, random)
            for _ in 0..<Int.random(in: 1...3, using: &random) { mutation.mutate() }
            random = mutation.random
            return mutation.tar
        }
    }

    @Test(arguments: CompressionTool.allCases, 0..<2)
    func mutatedCompressedTars(_ tool: CompressionTool, _ seed: Int) throws {
        let archive = try tool.compress(Self.tar)
        try Self.unpackAll(seed: 100 + seed, count: 30) { random in
            var mutated = archive
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                // The first bytes decide most: half of the damage is there.
                let range = Bool.random(using: &random) ? 0..<min(64, mutated.count) : 0..<mutated.count
                let index = Int.random(in: range, using: &random)
                switch Int.random(in: 0..<4, using: &random) {
                case 0: mutated[index] = UInt8.random(in: 0...255, using: &random)
                case 1: mutated[index] ^= 1 << UInt8.random(in: 0...7, using: &random)
                case 2: mutated.insert(UInt8.random(in: 0...255, using: &random), at: index)
                default: mutated.remove(at: index)
                }
            }
            return mutated
        }
    }

    /// Mutations after the compression is undone reach the tar reader, which compressed data's checks would hide.
    @Test func mutationsDoBoth() throws {
        var random = SeededGenerator(seed: 1)
        var read = 0
        for _ in 0..<100 {
            var mutation = TarMutation(Self.tar, random)
            mutation.mutate()
            random = mutation.random
            if try ArchiveReading.refusal(of: mutation.tar) == nil { read += 1 }
        }
        #expect((10...90).contains(read), "\(read) of 100 were read: the mutations are too mild or too wild")
    }

    private static func unpackAll(
        seed: Int, count: Int, _ makeArchive: (inout SeededGenerator) throws -> [UInt8]
    ) throws {
        try withTemporaryFolder { folder in
            try folder.write("untouched".utf8, to: "outside/canary.h")
            var random = SeededGenerator(seed: UInt64(seed))
            for number in 0..<count {
                let archive = try makeArchive(&random)
                let name = "tree\(number)"
                do {
                    let manifest = try ArchiveReading.unpack(archive, to: folder.path(name))
                    #expect(manifest.fileCount > 0)
                } catch is Problem {}
                let strays = FolderComparison.strays(in: folder.path(name)) { folder.names(in: "\(name)/\($0)") }
                #expect(strays.isEmpty, "seed \(seed), number \(number)")
                #expect(folder.names().count == number + 2, "seed \(seed), number \(number)")
            }
            #expect(folder.names(in: "outside") == ["canary.h"])
            #expect(try folder.read("outside/canary.h") == Array("untouched".utf8))
        }
    }
}

/// A tar and the means to damage it where it hurts: in headers whose checksums are right.
private struct TarMutation {
    var tar: [UInt8]
    var random: SeededGenerator
    private let names = [
        "../x", "/tmp/x", "include", "include/linux", "./include/linux/sched.h", "a/../../x", "", ".", "a//b/",
        "include/linux/sched.h/x", "e\u{301}", "../outside/canary.h",
    ]

    init(_ tar: [UInt8], _ random: SeededGenerator) {
        self.tar = tar
        self.random = random
    }

    mutating func mutate() {
        let blocks = tar.count / 512
        let block = Int.random(in: 0..<max(blocks, 1), using: &random)
        switch Int.random(in: 0..<10, using: &random) {
        case 0: tar.removeSubrange(Int.random(in: tar.indices, using: &random)...)
        case 1:
            tar.removeSubrange(block * 512..<min(tar.count, block * 512 + 512 * Int.random(in: 1...4, using: &random)))
        case 2: tar.insert(contentsOf: Array(tar[(block * 512)...].prefix(1024)), at: block * 512)
        case 3: tar[Int.random(in: tar.indices, using: &random)] ^= 1 << UInt8.random(in: 0...7, using: &random)
        case 4: change(157, 100, Array(pick(names).utf8))
        case 5: change(0, 100, Array(pick(names).utf8))
        case 6: change(156, 1, [pick(Array("01234567xgLKSVM\0".utf8))])
        case 7: change(124, 12, size())
        case 8: change(345, 155, Array(pick(names).utf8))
        default: change(Int.random(in: 0..<500, using: &random), 1, [UInt8.random(in: 0...255, using: &random)])
        }
        if tar.isEmpty { tar = [0] }
    }

    private mutating func size() -> [UInt8] {
        switch Int.random(in: 0..<4, using: &random) {
        case 0: (0..<12).map { _ in UInt8.random(in: 0...255, using: &random) }
        case 1: [0x80] + (0..<11).map { _ in UInt8.random(in: 0...255, using: &random) }
        case 2: [0x80, 0, 0, 0, 0x7F] + [UInt8](repeating: 0xFF, count: 7)
        default: TarForge.octal(Int.random(in: 0...4096, using: &random), digits: 11)
        }
    }

    private mutating func pick<Value>(_ values: [Value]) -> Value {
        values[Int.random(in: values.indices, using: &random)]
    }

    /// Overwrites a field of some header and makes its checksum right again.
    private mutating func change(_ offset: Int, _ width: Int, _ bytes: [UInt8]) {
        let headers = stride(from: 0, to: tar.count - 511, by: 512).filter {
            tar[($0 + 257)..<($0 + 262)].elementsEqual("ustar".utf8)
        }
        guard !headers.isEmpty else { return }
        let start = pick(headers)
        let field = Array((bytes + [UInt8](repeating: 0, count: width)).prefix(width))
        tar.replaceSubrange(start + offset..<start + offset + width, with: field)
        tar.replaceSubrange(start + 148..<start + 156, with: Array("        ".utf8))
        let sum = tar[start..<start + 512].reduce(0) { $0 + Int($1) }
        tar.replaceSubrange(start + 148..<start + 156, with: TarForge.octal(sum, digits: 6) + [0, 32])
    }
}
