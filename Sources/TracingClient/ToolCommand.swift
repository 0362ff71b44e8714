internal import Glibc
internal import HeaderArchive

/// A command that a PCH is wanted for: which tool it is, and what can be seen of the program that it compiles.
public struct ToolCommand: Sendable, Equatable {
    /// How a command can be given a PCH.
    public enum Kind: Sendable, Equatable {
        /// By arguments.
        case clang
        /// bpftrace has no use for one: it leaves out what comes from a PCH (`excludeDeclarationsFromPCH`), and refuses one
        /// that was made for another tool.
        case bpftrace
        /// By bcc's variable: whatever else runs may use bcc.
        case other
    }

    public let words: [String]
    public let kind: Kind
    /// The program's path; nil if it is not found.
    public let program: String?
    /// What the program's text asks of a PCH.
    public let needs: ProgramText.Needs

    /// - Parameters:
    ///   - words: a name that is looked for in `PATH`, or a path; then arguments. Not empty.
    ///   - path: folders of programs, separated by colons.
    ///   - ownHeaders: headers that the tool itself has, by the names by which programs include them.
    public init(_ words: [String], path: String, ownHeaders: [String: String] = [:]) {
        precondition(!words.isEmpty, "a command has a name")
        self.words = words
        kind = Self.kind(of: words[0])
        program = Self.find(words[0], in: path)
        needs = Self.needs(words, kind, program, ownHeaders)
    }

    /// Whether a clang is told to compile for BPF, and not for the kernel's own machine.
    public var targetsBPF: Bool {
        for (word, next) in zip(words, words.dropFirst() + [""]) {
            if word == "-target" || word == "--target" { if Self.isBPF(next) { return true } }
            if word.hasPrefix("--target="), Self.isBPF(String(word.dropFirst(9))) { return true }
        }
        return false
    }

    private static func isBPF(_ target: String) -> Bool { target.hasPrefix("bpf") }

    /// By the program's name.
    public static func kind(of word: String) -> Kind {
        let name = word.split(separator: "/").last ?? ""
        if name == "bpftrace" { return .bpftrace }
        if name == "clang" { return .clang }
        // `clang-14`, and not `clang-format`.
        let version = name.dropFirst("clang-".count)
        let isVersioned =
            name.hasPrefix("clang-") && !version.isEmpty && version.allSatisfy { $0.isNumber || $0 == "." }
        return isVersioned ? .clang : .other
    }

    private static func find(_ word: String, in path: String) -> String? {
        if word.contains("/") { return ToolTree.isProgram(word) ? word : nil }
        for folder in path.split(separator: ":", omittingEmptySubsequences: false) {
            let program = "\(folder.isEmpty ? "." : folder)/\(word)"
            if ToolTree.isProgram(program) { return program }
        }
        return nil
    }

    // MARK: Text

    private static func needs(
        _ words: [String], _ kind: Kind, _ program: String?, _ ownHeaders: [String: String]
    ) -> ProgramText.Needs {
        let (arguments, preludes) = kind == .clang ? withoutPreludes(words.dropFirst()) : (Array(words.dropFirst()), [])
        if readsInput(words) || kind == .other && arguments.isEmpty && isShell(words[0]) {
            return .init(obstacle: "it reads its program from standard input, which can be read but once")
        }
        var texts: [ProgramText] = []
        var folders: [String] = []
        for file in [program].compactMap({ $0 }) + arguments {
            guard let text = text(of: file) else {
                // A script, or a program, that is an argument itself.
                if file.contains("#include") || file.contains("#define") {
                    texts.append(ProgramText(file, isScript: true))
                }
                continue
            }
            texts.append(ProgramText(text, isScript: isScript(file, text)).including(preludes))
            folders.append(folder(of: file))
        }
        let included = includeFolders(arguments)
        return ProgramText.needs(of: texts) { header, isQuoted in
            if preludes.contains(header), let text = text(of: header) { return ProgramText(text, isHeader: true) }
            for folder in (isQuoted ? folders : []) + included {
                if let text = text(of: "\(folder)/\(header)") { return ProgramText(text, isHeader: true) }
            }
            if kind == .clang, builtinHeaders.contains(header) { return ProgramText("") }
            return ownHeaders[header].map { ProgramText($0, isHeader: true) }
        }
    }

    /// Takes what is included before each file out of a clang's arguments: `-include FILE`, `-imacros FILE`.
    private static func withoutPreludes(_ words: ArraySlice<String>) -> (arguments: [String], preludes: [String]) {
        var arguments: [String] = []
        var preludes: [String] = []
        var rest = words
        while let word = rest.popFirst() {
            // A PCH of the user's own is no text; clang refuses a second one.
            let flag =
                word == "-include-pch"
                ? nil
                : ["--include=", "--imacros=", "--include", "--imacros", "-include", "-imacros"]
                    .first { word.hasPrefix($0) }
            guard let flag else {
                arguments.append(word)
                continue
            }
            if word.utf8.count > flag.utf8.count {
                preludes.append(String(word.dropFirst(flag.count)))
            } else if let file = rest.popFirst() {
                preludes.append(file)
            }
        }
        return (arguments, preludes)
    }

    /// A `-` that is no option's value: `-o -` is where clang writes to.
    private static func readsInput(_ words: [String]) -> Bool {
        zip(words, words.dropFirst()).contains { $1 == "-" && !["-o", "-MF"].contains($0) }
    }

    /// Those that clang has itself, and which include no other.
    private static let builtinHeaders: Set = [
        "float.h", "iso646.h", "stdalign.h", "stdarg.h", "stdbool.h", "stddef.h", "stdnoreturn.h",
    ]

    /// Nil of what is no file, can't be read, is large, or no text.
    private static func text(of path: String) -> String? {
        var status = stat()
        guard stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG, status.st_size <= SmallFile.limit,
            let bytes = SmallFile.bytes(path), !bytes.prefix(1 << 13).contains(0)
        else { return nil }
        return String(decoding: bytes, as: UTF8.self)
    }

    private static func isScript(_ path: String, _ text: String) -> Bool {
        text.hasPrefix("#!") || [".py", ".lua", ".sh", ".rb", ".pl"].contains { path.hasSuffix($0) }
    }

    private static func isShell(_ word: String) -> Bool {
        let name = word.split(separator: "/").last ?? ""
        return ["sh", "bash", "dash", "zsh", "ksh", "python", "lua", "perl", "ruby"].contains(name)
            || name.hasPrefix("python3") || name.hasPrefix("python2")
    }

    private static func folder(of path: String) -> String {
        guard let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")) else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    /// `-Ifolder`, `-I folder`, `-isystem folder`, `-iquote folder`.
    private static func includeFolders(_ arguments: [String]) -> [String] {
        var folders: [String] = []
        for (index, argument) in arguments.enumerated() {
            let next = index + 1 < arguments.count ? arguments[index + 1] : nil
            if ["-I", "-isystem", "-iquote", "-idirafter"].contains(argument) {
                if let next { folders.append(next) }
            } else if argument.hasPrefix("-I") {
                folders.append(String(argument.dropFirst(2)))
            } else if argument.hasPrefix("-isystem") || argument.hasPrefix("-iquote") {
                folders.append(String(argument.drop { $0 != "m" && $0 != "e" }.dropFirst()))
            }
        }
        return folders
    }
}
