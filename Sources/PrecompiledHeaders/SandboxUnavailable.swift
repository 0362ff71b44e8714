/// Why nothing can be compiled here, in a sentence.
public struct SandboxUnavailable: Error, CustomStringConvertible {
    public let description: String
}
