public import KernelHeaders

extension APIPath {
    /// A page of the list of kernels.
    public static func kernels(_ query: KernelQuery) -> String { kernels + self.query(query.items) }
}
