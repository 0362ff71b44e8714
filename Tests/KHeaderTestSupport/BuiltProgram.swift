/// The programs that were built with the tests: they lie beside the tests' own bundle.
public enum BuiltProgram {
    /// The path of a program of this package.
    public static func path(_ name: String) -> String { "\(folder)/\(name)" }

    /// `swift test` gives its helper the bundle's path, or runs the bundle itself.
    private static let folder: String = {
        let bundle = CommandLine.arguments.first { $0.hasSuffix(".xctest") } ?? CommandLine.arguments[0]
        return bundle.lastIndex(of: "/").map { String(bundle[..<$0]) } ?? "."
    }()
}
