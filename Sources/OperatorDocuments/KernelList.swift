/// A page of the server's list (``KernelQuery``).
public struct KernelList: Codable, Sendable, Equatable {
    public var kernels: [KernelEntry]
    /// To be sent as `cursor` for the next page; nil on the last one. A page may have fewer kernels than were asked for, even
    /// none, and be followed by others.
    public var next: String?

    public init(kernels: [KernelEntry], next: String?) {
        self.kernels = kernels
        self.next = next
    }
}
