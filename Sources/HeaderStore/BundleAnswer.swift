/// A bundle, as it can be sent now.
public enum BundleAnswer: Sendable {
    case whole(DerivedFile)
    /// It is being built. Its digest and length are known at the end.
    case growing(GrowingFile)
}
