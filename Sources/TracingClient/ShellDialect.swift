/// How a shell takes variables and words.
public enum ShellDialect: String, Sendable, CaseIterable {
    /// The POSIX shell and those that follow it: bash, dash, ksh, zsh.
    case sh
    /// csh and tcsh.
    case csh
    case fish

    /// A line that sets a variable for the shell's children, whatever is in the value.
    public func assignment(_ name: String, _ value: String) -> String {
        switch self {
        case .sh: "export \(name)=\(quoted(value))"
        // Backquotes make one line of all: without a semicolon the second would be a word of the first.
        case .csh: "setenv \(name) \(quoted(value));"
        case .fish: "set -gx \(name) \(quoted(value))"
        }
    }

    /// The value in single quotes, as one word.
    public func quoted(_ value: String) -> String {
        var text = "'"
        for scalar in value.unicodeScalars {
            switch (self, scalar) {
            case (.sh, "'"), (.csh, "'"): text += "'\\''"
            case (.fish, "'"), (.fish, "\\"): text += "\\\(scalar)"
            // csh looks for history and line ends in single quotes, too.
            case (.csh, "!"), (.csh, "\n"): text += "\\\(scalar)"
            default: text.unicodeScalars.append(scalar)
            }
        }
        return text + "'"
    }

    /// Words on one line; those in quotes that need them.
    public func line(_ words: [String]) -> String {
        words.map { $0.unicodeScalars.allSatisfy(Self.isPlain) && !$0.isEmpty ? $0 : quoted($0) }
            .joined(separator: " ")
    }

    private static func isPlain(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar {
        case "a"..."z", "A"..."Z", "0"..."9", "_", "-", "/", ".", ",", ":", "+", "=", "@", "%": true
        default: false
        }
    }
}
