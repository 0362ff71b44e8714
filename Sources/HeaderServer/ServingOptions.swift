/// How requests are served, whatever they are.
public struct ServingOptions: Sendable {
    /// Whether every answer has a line in the log.
    public var accessLog = false
    /// For how many seconds connections are still taken after the signal that ends the server, while `/readyz` says so.
    public var drainSeconds = 0

    public init() {}
}
