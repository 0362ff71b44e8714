internal import KernelHeaders

/// Where things are in a store's folder.
///
/// ```
/// VERSION             the layout's version, "1"
/// tokens.json         who may ask; see ``TokenFile``
/// lock                held (flock) by the server that uses the store
/// catalogue.sqlite    what is known of kernels, trees, blobs; its journal beside it
/// packs/              truth: <SHA-256 of the file>.khpack
/// btf/                truth: <build ID>.<SHA-256 of the raw BTF>.<its bytes>.btf.zst
/// bundles/            derived: <tree digest>.<format>
/// pch/                derived: <key>.<SHA-256 of the PCH>.pch, and the same compressed, .pch.zst
/// quarantine/         what a verify found damaged: files of packs and BTF, under their names, until a collect
/// staging/            what is being written; emptied at each start
/// ```
struct StoreLayout: Sendable {
    static let version = "1"

    let root: String

    var versionFile: String { "\(root)/VERSION" }
    var lock: String { "\(root)/lock" }
    var catalogue: String { "\(root)/catalogue.sqlite" }
    var packs: String { "\(root)/packs" }
    var btf: String { "\(root)/btf" }
    var bundles: String { "\(root)/bundles" }
    var pchs: String { "\(root)/pch" }
    var quarantine: String { "\(root)/quarantine" }
    var staging: String { "\(root)/staging" }

    /// The names of all folders in it.
    static let folders = ["packs", "btf", "bundles", "pch", "quarantine", "staging"]

    func pack(_ digest: Digest) -> String { "\(packs)/\(digest).khpack" }
    func bundle(_ key: BundleKey) -> String { "\(bundles)/\(key.fileName)" }
    /// A name in the staging folder that nobody else uses.
    func stagingFile(_ what: String) -> String {
        "\(staging)/\(UInt64.random(in: .min ... .max))-\(what)"
    }
}

/// What a bundle is named by.
struct BundleKey: Hashable, Sendable {
    let tree: Digest
    let format: BundleFormat

    var fileName: String { "\(tree).\(format.rawValue)" }
}
