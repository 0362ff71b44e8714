internal import KernelHeaders

/// Where a page of the kernel list ended: opaque to clients, `<build ID>.<release>`. It names a place in the order, not a
/// row, so it stays right while kernels come and go.
struct KernelCursor: CustomStringConvertible {
    let release: String
    let id: BuildID

    init(_ kernel: KernelSummary) {
        release = kernel.identity.release ?? ""
        id = kernel.identity.buildID
    }

    /// - Throws: `Problem` with `parameter-malformed`.
    init(_ text: String) throws {
        // By bytes: with a release that begins with a combining mark, the dot is no character of its own.
        let dot = text.utf8.firstIndex(of: UInt8(ascii: ".")) ?? text.endIndex
        guard let id = BuildID(text[..<dot]), dot < text.endIndex else {
            throw Problem(.parameterMalformed, "The cursor is not one that this server gave. Start without a cursor.")
        }
        self.id = id
        release = String(text[text.utf8.index(after: dot)...])
    }

    var description: String { "\(id).\(release)" }
}
