import HeaderStore
import KernelHeaders

/// What a kernel and a tree can be had as.
extension Representation {
    static func bundle(
        _ contents: Contents, _ digest: Digest, _ format: BundleFormat, of tree: Digest, _ lifetime: Lifetime
    ) -> Representation {
        Representation(
            contents: contents, mediaType: format.mediaType, digest: digest, lifetime: lifetime,
            fileName: "headers.\(format.rawValue)", tree: tree)
    }

    static func manifest(_ document: DerivedFile, of tree: Digest, _ lifetime: Lifetime) -> Representation {
        Representation(
            contents: .file(document), mediaType: "application/json", digest: document.digest,
            lifetime: lifetime, fileName: "manifest.json", tree: tree)
    }

    static func source(
        _ file: (bytes: [UInt8], digest: Digest), at path: HeaderPath, of tree: Digest, _ lifetime: Lifetime
    ) -> Representation {
        Representation(
            contents: .memory(file.bytes), mediaType: "application/octet-stream", digest: file.digest,
            lifetime: lifetime, fileName: path.components.last ?? "", tree: tree)
    }

    static func btf(_ section: (bytes: [UInt8], digest: Digest)) -> Representation {
        Representation(
            contents: .memory(section.bytes), mediaType: "application/octet-stream", digest: section.digest,
            lifetime: .byBuildID, fileName: "vmlinux")
    }
}
