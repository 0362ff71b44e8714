internal import Glibc
internal import HeaderArchive
internal import KernelHeaders

/// The two streams of a command: data on standard output, talk on standard error.
public enum Console {
    /// Writes a text, and a line end, to standard output.
    ///
    /// - Throws: `SystemCallError`; with `EPIPE` when nobody reads any more.
    public static func put(_ text: String) throws {
        var text = text + "\n"
        try text.withUTF8 { try write($0, to: STDOUT_FILENO) }
    }

    /// Writes a line to standard error, over a progress bar that stands there. Control characters, which a server's
    /// words could use to paint on the terminal, become question marks.
    public static func say(_ line: String) {
        var text = (errorIsTerminal ? "\r\u{1B}[K" : "") + printable(line) + "\n"
        try? text.withUTF8 { try write($0, to: STDERR_FILENO) }
    }

    /// Whether a person looks at standard error, on a terminal that can go back in a line.
    public static var errorIsTerminal: Bool {
        isatty(STDERR_FILENO) == 1 && getenv("TERM").map { String(cString: $0) } != "dumb"
    }

    /// The text with question marks for control characters and others that mislead, but for line ends.
    ///
    /// - Parameter lineEnd: what stands for a line end.
    public static func printable(_ text: String, lineEnd: Unicode.Scalar = "\n") -> String {
        var clean = String.UnicodeScalarView()
        for scalar in text.unicodeScalars {
            switch scalar.value {
            case 0x0A: clean.append(lineEnd)
            case ..<0x7F where scalar.value >= 0x20: clean.append(scalar)
            default: clean.append(scalar.misleads ? "?" : scalar)
            }
        }
        return String(clean)
    }

    /// Columns of the terminal on standard error; 80 if it does not say.
    static var columns: Int { columns(of: STDERR_FILENO) }

    /// The same for standard output.
    public static var outputColumns: Int { columns(of: STDOUT_FILENO) }

    private static func columns(of descriptor: CInt) -> Int {
        var size = winsize()
        guard ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return 80 }
        return Int(size.ws_col)
    }

    static func write(_ text: UnsafeBufferPointer<UInt8>, to descriptor: CInt) throws {
        var rest = text[...]
        while !rest.isEmpty {
            let piece = UnsafeBufferPointer(rebasing: rest)
            let count = try SystemCallError.check("write", nil) {
                Glibc.write(descriptor, piece.baseAddress, piece.count)
            }
            rest = rest.dropFirst(count)
        }
    }
}
