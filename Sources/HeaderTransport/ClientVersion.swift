/// The version of agent and client.
public enum ClientVersion {
    /// As CHANGELOG names it.
    public static let current = "0.1.0"
}
