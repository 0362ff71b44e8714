import FoundationEssentials
import HeaderStore
import KernelHeaders
import PrecompiledHeaders

/// PCHs that builders send.
extension PCHService {
    /// Takes a builder's PCH in.
    ///
    /// - Returns: what is known of it now, and whether it is new.
    /// - Throws: `Problem` with `pch-conflict`, `pch-malformed`, `disk-full`, or why the order makes no sense here.
    func take(_ upload: PCHUpload, as request: PCHRequest) async throws -> (manifest: PCHManifest, isNew: Bool) {
        try await requireForeign(request.toolchain)
        let order = try await self.order(request, upload.toolchain, menu()).order
        try upload.check(against: order)
        let key = order.key
        if let known = store.pch(key) {
            guard known.file.digest == upload.manifest.digest else {
                throw Problem(
                    .pchConflict,
                    "This server has another PCH of the key \(key): \(known.file.digest). Equal orders make equal bytes: check both builders."
                )
            }
            if let document = try await store.pchDocument(key) {
                return (try JSONDecoder().decode(PCHManifest.self, from: Data(document.utf8)), false)
            }
        }
        var manifest = upload.manifest
        manifest.rank = .builder
        let id = upload.toolchain.id
        _ = try await store.putToolchain(String(decoding: try JSON.encode(upload.toolchain), as: UTF8.self), id: id)
        try await publish(manifest, from: upload.path)
        return (manifest, true)
    }

    /// - Throws: `Problem` with `pch-conflict` if the server makes such PCHs itself.
    func requireForeign(_ toolchain: Digest) async throws {
        guard await menu().toolchain(toolchain) == nil else {
            throw Problem(.pchConflict, "This server has the clang \(toolchain) itself, and makes its own PCHs.")
        }
    }
}
