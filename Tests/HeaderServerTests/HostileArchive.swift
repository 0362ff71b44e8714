import HeaderArchive
import HeaderStore
import KHeaderTestSupport
import KernelHeaders

/// For each code with which an archive can be refused, an archive that gets it. The attacks themselves have their tests in
/// HeaderArchiveTests.
enum HostileArchive {
    /// Limits that archives of a few kilobytes can cross.
    static func lower(_ options: inout HeaderStore.Options) {
        options.limits.unpackedBytes = 300_000
        options.limits.fileBytes = 100_000
        options.limits.entries = 20
        options.limits.ratio = 10
        options.limits.ratioFloor = 150_000
    }

    static var codes: [ProblemCode] { ProblemCode.allCases.filter { $0.rawValue.hasPrefix("archive-") } }

    /// Nil for a code that no archive gets.
    static func forged(for code: ProblemCode) throws -> [UInt8]? {
        switch code {
        case .archiveFormatUnknown: Array("PK\u{3}\u{4}".utf8) + [UInt8](repeating: 0, count: 1000)
        case .archiveEmpty: []
        case .archiveCorrupt: damaged(try CompressionTool.xz.compress(TestKernels.tar()))
        case .archiveTruncated: Array(try CompressionTool.zstd.compress(TestKernels.tar()).dropLast(8))
        case .archiveTrailingData: TestKernels.tar() + [1]
        case .archiveWindowTooLarge:
            try CompressionTool.xz.compress(TestKernels.tar(), ["--lzma2=preset=0,dict=512MiB"])
        case .archiveTooLarge: TestKernels.tar { $0.addFiles(4, of: 99_000) }
        case .archiveRatio: try CompressionTool.gzip.compress(TestKernels.tar { $0.addFiles(2, of: 99_000) })
        default: tar(for: code)
        }
    }

    private static func tar(for code: ProblemCode) -> [UInt8]? {
        let attack: ((inout TarForge) -> Void)? =
            switch code {
            case .archiveHasNoHeaders: { _ in }
            case .archiveChecksum:
                { forge in
                    var header = TarForge.Header("include/a.h")
                    header.checksum = Array("000000\0 ".utf8)
                    forge.add(header)
                }
            case .archiveTooManyEntries: { $0.addNumberedFiles(21) }
            case .archiveFileTooLarge: { $0.addFiles(1, of: 100_001) }
            case .archiveMetadataTooLarge:
                { $0.addPax([("comment", String(repeating: "x", count: 70_000))]) }
            case .archivePathAbsolute: { $0.addFile("/etc/passwd") }
            case .archivePathParent: { $0.addFile("include/../../x.h") }
            case .archivePathEmpty: { $0.addFile("") }
            case .archivePathNotUTF8: { $0.add(.init([0x61, 0xFF, 0x2E, 0x68])) }
            case .archivePathContainsNUL:
                {
                    $0.addPax([("path", "include/a\0b.h")]); $0.addFile("x")
                }
            case .archivePathTooLong:
                {
                    $0.addGNULong([UInt8](repeating: 0x61, count: 1025)); $0.addFile("x")
                }
            case .archivePathTooDeep: { $0.addFile(String(repeating: "d/", count: 32) + "x.h") }
            case .archivePathDuplicate:
                {
                    $0.addFile("include/a.h"); $0.addFile("include/./a.h")
                }
            case .archivePathThroughLink:
                {
                    $0.addLink("include/a", to: "linux"); $0.addFile("include/a/b.h")
                }
            case .archivePathThroughFile:
                {
                    $0.addFile("include/a"); $0.addFile("include/a/b.h")
                }
            case .archiveLinkEscapes: { $0.addLink("include/a.h", to: "../../etc/passwd") }
            case .archiveHardLinkEscapes: { $0.addHardLink("include/a.h", to: "/etc/passwd") }
            case .archiveHardLinkDangling: { $0.addHardLink("include/a.h", to: "include/none.h") }
            case .archiveDevice: { $0.add(.init("include/null", flag: "3")) }
            case .archiveFIFO: { $0.add(.init("include/pipe", flag: "6")) }
            case .archiveEntryKind: { $0.add(.init("include/x.h", flag: "Z")) }
            default: nil
            }
        guard let attack else { return nil }
        guard code != .archiveHasNoHeaders else {
            var forge = TarForge()
            forge.addFile("README", "nothing here")
            return forge.finished()
        }
        return TestKernels.tar(attack)
    }

    private static func damaged(_ bytes: [UInt8]) -> [UInt8] {
        var bytes = bytes
        bytes[bytes.count / 2] ^= 0xFF
        return bytes
    }
}

extension TarForge {
    fileprivate mutating func addFiles(_ count: Int, of size: Int) {
        for number in 0..<count { addFile("include/\(number).h", [UInt8](repeating: 0x20, count: size)) }
    }
}
