/// The compressors that users have, as opposed to the libraries that this project calls.
public enum CompressionTool: String, CaseIterable, Sendable {
    case xz, zstd, gzip

    /// - Parameter options: of the tool, beyond writing to standard output.
    public func compress(_ bytes: [UInt8], _ options: [String] = ["-1"]) throws -> [UInt8] {
        try ShellCommand(rawValue, ["-q", "-c"] + options).output(bytes)
    }

    /// - Throws: ``ShellCommand/Failure`` if the tool finds a flaw.
    public func decompress(_ bytes: [UInt8]) throws -> [UInt8] {
        try ShellCommand(rawValue, "-q", "-d", "-c").output(bytes)
    }

    /// Lets the tool check a file: `xz -t`.
    ///
    /// - Throws: ``ShellCommand/Failure`` if the tool finds a flaw.
    public func check(_ bytes: [UInt8]) throws { try ShellCommand(rawValue, "-q", "-t").output(bytes) }
}
