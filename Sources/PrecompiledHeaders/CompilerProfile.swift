internal import HeaderArchive
public import KernelHeaders

/// The flags, macros and own headers of one kind of client: what decides, beside the kernel's headers, how a program is
/// compiled. It is the wire form, too: a client whose bcc the server does not have uploads this (`PUT /v1/profiles/{id}`).
public struct CompilerProfile: Codable, Hashable, Sendable {
    /// What is stood for in ``flags``.
    public enum Placeholder {
        /// The folder below `arch/`: `x86`.
        public static let architecture = "{arch}"
        /// The machine, as the target triple begins: `x86_64`.
        public static let machine = "{machine}"
    }

    /// `bcc-0.26.0`, `clang-x86`, `bpf`, or what an operator calls it.
    public let name: String
    /// Compiler arguments in their order, one each. Paths are relative to the kernel's tree, or below `/virtual`.
    public let flags: [String]
    /// The client's own headers by their absolute paths, below `/virtual`: bcc has them in its library.
    public let headers: [String: String]
    /// What the client puts before a program's first line.
    public let prologue: String
    /// Whether the tool passes `-include include/linux/kconfig.h` itself, so that clang finds a PCH beside that file.
    /// Otherwise the PCH is named by an argument.
    public let isFoundByName: Bool

    public init(
        name: String, flags: [String], headers: [String: String] = [:], prologue: String = "",
        isFoundByName: Bool = false
    ) {
        self.name = name
        self.flags = flags
        self.headers = headers
        self.prologue = prologue
        self.isFoundByName = isFoundByName
    }

    /// SHA-256 of all that is in it but its name; see ``canonicalForm``.
    public var id: Digest { SHA256Hash.digest(of: Array(canonicalForm.utf8)) }

    /// One line a part, each with its length before it, so that no two profiles have one form: the flags in order, the
    /// headers by path, the prologue, and whether the PCH is found by name.
    var canonicalForm: String {
        let parts =
            flags.map { ("flag", $0) }
            + headers.sorted { $0.key < $1.key }.flatMap { [("path", $0.key), ("text", $0.value)] }
            + [("prologue", prologue), ("byName", "\(isFoundByName)")]
        return parts.map { "\($0.0) \($0.1.utf8.count) \($0.1)\n" }.joined()
    }

    /// The flags for one architecture.
    public func flags(for architecture: Architecture) -> [String] {
        flags.map {
            $0.replacing(Placeholder.architecture, by: architecture.sourceFolder)
                .replacing(Placeholder.machine, by: architecture.machine)
        }
    }
}

extension String {
    /// Without Foundation and regular expressions.
    fileprivate func replacing(_ word: String, by other: String) -> String {
        var result = ""
        var rest = self[...]
        while !rest.isEmpty {
            if rest.hasPrefix(word) {
                result += other
                rest = rest.dropFirst(word.count)
            } else {
                result.append(rest.removeFirst())
            }
        }
        return result
    }
}
