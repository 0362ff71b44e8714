/// A server can't listen where it was told to, at this moment: the address is taken, not this host's, or has no name.
public struct ListenError: Error, CustomStringConvertible {
    public let description: String

    /// - Parameter reason: goes on after a colon, without a full stop.
    init(_ address: ListenAddress, _ reason: String) {
        description = "Can't listen on \(address): \(reason)."
    }
}
