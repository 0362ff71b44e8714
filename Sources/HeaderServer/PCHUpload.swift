import FoundationEssentials
import HeaderArchive
import HeaderStore
import KernelHeaders
import PrecompiledHeaders

/// A PCH as a builder sends it: a tar of `pch`, of `manifest.json`, which says what it is, and of `toolchain.json`, which says
/// what made it; in any order, nothing else.
struct PCHUpload: Sendable {
    /// The most bytes of each of the documents. A manifest lists a thousand files.
    private static let documentBytes = 4 << 20
    /// What a clang writes first (`clang/Serialization/ASTBitCodes.h`).
    private static let signature = Array("CPCH".utf8)
    /// The most files that a manifest lists.
    private static let maximumFiles = 100_000

    let manifest: PCHManifest
    let toolchain: Toolchain
    /// Where the PCH lies, in the folder that was given, and its bytes.
    let path: String
    private let bytes: Int

    /// Reads a tar.
    ///
    /// - Parameter limit: bytes that the PCH may have.
    /// - Throws: `Problem` with `pch-malformed`, `upload-too-large`, or an `archive-…` code; `SystemCallError`.
    init(_ source: any ByteSource, into folder: StagingFolder, limit: Int) throws {
        var documents: [String: [UInt8]] = [:]
        var path: String?
        var size = 0
        var reader = TarReader(source)
        while let entry = try reader.next() {
            if entry.kind == .directory { continue }
            let isBelowDot = entry.name.starts(with: "./".utf8)
            let name = String(decoding: entry.name.dropFirst(isBelowDot ? 2 : 0), as: UTF8.self)
            guard entry.kind == .file, documents[name] == nil, name != "pch" || path == nil else {
                throw Self.malformed("It has something that is no file, or a file twice.")
            }
            switch name {
            case "manifest.json", "toolchain.json":
                guard entry.size <= Self.documentBytes else {
                    throw Self.malformed("\(name) has over \(Self.documentBytes) bytes.")
                }
                var bytes: [UInt8] = []
                try reader.readContents { bytes.append(contentsOf: $0) }
                documents[name] = bytes
            case "pch":
                guard entry.size <= limit else {
                    throw Problem(.uploadTooLarge, "The PCH is over this server's limit of \(limit) bytes.")
                }
                path = try folder.makeFile("pch") { try reader.readContents($0) }
                size = entry.size
            default: throw Self.malformed("It has other files, too.")
            }
        }
        try reader.readToEnd()
        guard let path, let manifest = documents["manifest.json"], let toolchain = documents["toolchain.json"] else {
            throw Self.malformed("One of its three files is missing.")
        }
        do {
            self.manifest = try JSONDecoder().decode(PCHManifest.self, from: Data(manifest))
            self.toolchain = try JSONDecoder().decode(Toolchain.self, from: Data(toolchain))
        } catch is DecodingError {
            throw Self.malformed("manifest.json or toolchain.json is not what it has to be.")
        }
        self.path = path
        bytes = size
        guard try Self.beginning(of: path) == Self.signature else { throw Self.malformed("pch is no PCH of a clang.") }
    }

    private static func beginning(of path: String) throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: signature.count)
        let count = try bytes.withUnsafeMutableBytes { try FileSource(path: path).readFully(into: $0) }
        return Array(bytes[..<count])
    }

    private static func malformed(_ why: String) -> Problem {
        Problem(.pchMalformed, "A PCH is sent as a tar of the files manifest.json, toolchain.json and pch. \(why)")
    }

    /// Holds what the documents say against what was ordered. Whether the PCH is what its SHA-256 says is seen when it is
    /// taken in.
    ///
    /// What a manifest says becomes files and arguments on clients, so it must not say just anything.
    ///
    /// - Throws: `Problem` with `pch-malformed`.
    func check(against order: PCHOrder) throws {
        func demand(_ isTrue: Bool, _ why: String) throws {
            guard isTrue else { throw Problem(.pchMalformed, "This PCH can't be taken: \(why)") }
        }
        let named = Toolchain(
            versionOutput: "\(toolchain.version)\nTarget: \(toolchain.target)", package: toolchain.package)
        try demand(named == toolchain, "the toolchain's ID is not that of its version, package and target.")
        try demand(
            order.toolchain.id == toolchain.id && manifest.toolchain == toolchain.id,
            "the toolchain is not the one of the URL.")
        try demand(
            manifest.treeDigest == order.tree, "the manifest's tree is not the kernel's, which is \(order.tree).")
        try demand(manifest.profile == order.profile.id, "the manifest's profile is not \(order.profile.id).")
        try demand(manifest.umbrella == order.umbrella.name, "the manifest's umbrella is not the one of the URL.")
        try demand(
            manifest.key == order.key,
            "the manifest's key is not \(order.key), as of this order and recipe \(PCHOrder.recipe).")
        try demand(manifest.bytes == bytes, "it has \(bytes) bytes, and the manifest says \(manifest.bytes).")
        let known = Set(order.umbrella.headers)
        try demand(
            known.isSuperset(of: manifest.headers) && known.isSuperset(of: manifest.leftOut.map(\.header)),
            "the manifest has headers that are not in the umbrella.")
        try demand(
            manifest.stubs.count + manifest.blocked.count <= Self.maximumFiles
                && (manifest.stubs + manifest.blocked).allSatisfy { HeaderPath($0) != nil },
            "the manifest has paths that are none within a tree.")
        // They become arguments of a compiler on clients.
        try demand(
            manifest.arguments == order.clientArguments && manifest.profileName == order.profile.name,
            "the manifest's arguments are not those of the profile \(order.profile.name).")
        let texts = [toolchain.version, toolchain.target, toolchain.package ?? ""] + manifest.proofs
        try demand(
            texts.allSatisfy { $0.isLabel(maximumLength: 512) }
                && manifest.leftOut.allSatisfy { $0.reason.utf8.count <= SmokeCompile.detailBytes },
            "the toolchain's version, its target or its package is too long, or a reason is.")
    }
}
