public import KernelHeaders

extension HeaderServerClient {
    /// The most pages followed: a list without end is no list of kernels.
    static let pageLimit = 10_000

    /// All kernels of the list, page after page.
    ///
    /// - Parameter release: only those of this release.
    public func allKernels(release: String? = nil) async throws -> [KernelSummary] {
        var kernels: [KernelSummary] = []
        var cursor: String?
        for _ in 0..<Self.pageLimit {
            let page = try await self.kernels(release: release, cursor: cursor)
            kernels += page.kernels
            guard let next = page.next else { return kernels }
            guard next != cursor, !page.kernels.isEmpty else { break }
            cursor = next
        }
        throw TransportError.badAnswer(server: serverNames, what: "a list of kernels that does not end")
    }
}
