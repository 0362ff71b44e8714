/// The version of all programs of this project.
public enum ReleaseVersion {
    /// As CHANGELOG names it.
    public static let current = "0.1.0"
}
