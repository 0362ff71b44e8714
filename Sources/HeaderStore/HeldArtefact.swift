internal import KernelHeaders

/// What the store has of a kernel, as far as another host's offer of the same is judged by it.
struct HeldArtefact: Sendable, Equatable {
    /// How an offer compares with it.
    enum Standing: Sendable {
        /// It comes from the server's operator, who outranks hosts.
        case operators
        /// It has the bytes that were made when the kernel was built: every host of that kernel has the same.
        case kernelsOwn
        /// It was packed on a host; nobody else's has the same bytes.
        case packed
    }

    /// Of the bytes as they were uploaded.
    var digest: Digest
    var standing: Standing
    /// The host whose upload it is, which can't agree with itself; nil if it came without a claim.
    var uploader: HostID?
    /// Other hosts that said their digest, and those of them with this one. Of each the first few, as many as are asked.
    var opinions: Set<HostID> = []
    var agreeing: Set<HostID> = []
}

/// What a host's digest says of what the store holds.
enum Opinion: Sendable, Equatable {
    case agrees, differs
}
