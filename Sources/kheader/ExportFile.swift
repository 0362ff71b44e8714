internal import FoundationEssentials
internal import HeaderArchive
internal import KernelHeaders

/// Kernels of a server in one file, for hosts without a network to it and for backups. Version 1:
///
/// A tar, not compressed, with the bytes that ``TarWriter`` makes of these files, in this order; folders are entries of their
/// own, before what is in them.
///
/// ```
/// ./kheader-export.json           {"kernels":COUNT,"version":1}
/// for each kernel, in the order of the build IDs:
///   ./BUILDID/headers.tar.zst     its tree, as the server's bundle has it
///   ./BUILDID/kernel.json         ExportFile.Kernel, as JSON with sorted members
///   ./BUILDID/vmlinux.btf.zst     its BTF, if the server has it: one zstd frame
/// ./SHA256SUMS                    a line "DIGEST  NAME" for each file before, in their order, as sha256sum prints it
/// ```
///
/// The same kernels on the same version of the server give the same bytes, and a reader takes no others: each byte that is not
/// in a file, too, has to be as ``TarWriter`` writes it. `SHA256SUMS` comes last, so that a file that ends
/// early has none; with `tar` and `sha256sum -c` anybody can take the file apart.
enum ExportFile {
    static let version = 1
    static let headName = "kheader-export.json"
    static let headersName = "headers.tar.zst"
    static let kernelName = "kernel.json"
    static let btfName = "vmlinux.btf.zst"
    static let sumsName = "SHA256SUMS"

    struct Head: Codable, Equatable {
        var kernels: Int
        var version: Int
    }

    /// What is known of a kernel that another server can't find out by itself.
    struct Kernel: Codable, Equatable, Sendable {
        var identity: KernelIdentity
        var source: HeaderSource
        var treeDigest: Digest
    }

    /// One of the file's files.
    struct Part {
        var name: String
        var digest: Digest

        var line: String { "\(digest)  \(name)\n" }
    }

    static func json(_ value: some Encodable) throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return Array(try encoder.encode(value)) + [0x0A]
    }
}

/// A file that is no export, or no longer one.
struct ExportFileError: Error, CustomStringConvertible {
    enum Code: String {
        /// It ends early, or a bit of it is not what it was.
        case damaged = "export-damaged"
        /// It is something else.
        case malformed = "export-malformed"
        case versionUnknown = "export-version-unknown"
        /// There is nothing to put into it.
        case empty = "export-empty"
        /// It was written, without what the server has lost.
        case incomplete = "export-incomplete"
    }

    let code: Code
    let detail: String

    var description: String { "\(detail) (\(code.rawValue))" }
}
