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
        if let pipe = arguments.first(where: isReadOnce) {
            return .init(obstacle: "it reads \(pipe), which can be read but once")
        }
        if kind == .clang, let obstacle = obstacle(in: Array(words.dropFirst())) { return .init(obstacle: obstacle) }
        var places: [ProgramText.Place] = []
        for file in [program].compactMap({ $0 }) + arguments {
            guard let text = text(of: file) else {
                // A script, or a program, that is an argument itself.
                if file.contains("#include") || file.contains("#define") {
                    places.append(.init(text: ProgramText(file, isScript: true), folder: "."))
                }
                continue
            }
            places.append(
                .init(
                    text: ProgramText(text, isScript: isScript(file, text)).including(preludes),
                    folder: ProgramText.folder(of: file)))
        }
        if places.isEmpty { places.append(.init(text: ProgramText("").including(preludes), folder: ".")) }
        let included = includeFolders(arguments)
        // bcc includes the version before each program.
        let known = kind == .clang ? definitions(arguments) : ProgramText.versionNames
        return ProgramText.needs(of: places, known: known) { header, isQuoted, folder in
            func own(_ path: String) -> ProgramText.OwnHeader? {
                text(of: path).map { .init(path: path, text: ProgramText($0, isHeader: true)) }
            }
            if preludes.contains(header), let found = own(header) { return found }
            if isQuoted, let found = own("\(folder)/\(header)") { return found }
            if let text = ownHeaders[header] { return .init(path: header, text: ProgramText(text, isHeader: true)) }
            // The kernel's come first, as they do without a PCH: a copy of one is none of the program's own.
            if isKernels(header) { return nil }
            if let found = included.lazy.compactMap({ own("\($0)/\(header)") }).first { return found }
            return kind == .clang && builtinHeaders.contains(header)
                ? .init(path: header, text: ProgramText("")) : nil
        }
    }

    /// By the folder that it is in, below the kernel's `include`.
    private static func isKernels(_ header: String) -> Bool {
        guard let slash = header.utf8.firstIndex(of: UInt8(ascii: "/")) else { return false }
        return kernelFolders.contains(String(header[..<slash]))
    }

    private static let kernelFolders: Set = [
        "acpi", "asm", "asm-generic", "clocksource", "crypto", "drm", "dt-bindings", "generated", "keys", "kunit",
        "kvm",
        "linux", "math-emu", "media", "memory", "misc", "net", "pcmcia", "ras", "rdma", "rv", "scsi", "soc", "sound",
        "target", "trace", "uapi", "ufs", "vdso", "video", "xen",
    ]

    /// Takes what is included before each file out of a clang's arguments: `-include FILE`, `-imacros FILE`.
    private static func withoutPreludes(_ words: ArraySlice<String>) -> (arguments: [String], preludes: [String]) {
        var arguments: [String] = []
        var preludes: [String] = []
        var rest = words
        while let word = rest.popFirst() {
            if ["-include", "-imacros", "--include", "--imacros"].contains(word), let file = rest.popFirst() {
                preludes.append(file)
            } else if let flag = ["--include=", "--imacros=", "-include", "-imacros"].first(where: {
                word.hasPrefix($0)
            }),
                // A PCH of the user's own is no text; clang refuses a second one.
                !word.dropFirst(flag.count).hasPrefix("-"), word != flag
            {
                preludes.append(String(word.dropFirst(flag.count)))
            } else {
                arguments.append(word)
            }
        }
        return (arguments, preludes)
    }

    /// Arguments of clang's that say what can't be seen here, or that come out wrong with a PCH.
    private static func obstacle(in arguments: [String]) -> String? {
        for (index, word) in arguments.enumerated() {
            if word.hasPrefix("@") || word == "--config" || word.hasPrefix("--config=") {
                return "it reads arguments from a file (\(word))"
            }
            if word.hasPrefix("-Wp,") || word == "-Xpreprocessor"
                || word == "-Xclang" && index + 1 < arguments.count
                    && ["-include", "-imacros", "-D", "-U", "-undef", "-I", "-isystem"].contains(where: {
                        arguments[index + 1].hasPrefix($0)
                    })
            {
                return "it passes arguments on to the preprocessor (\(word))"
            }
            if word.hasPrefix("-U") || word == "-undef" { return "it undefines macros (\(word))" }
            if dependencyFlags.contains(word) {
                return "it wants to know which headers are read (\(word)), and with a PCH none is"
            }
        }
        return nil
    }

    private static let dependencyFlags: Set = [
        "-M", "-MM", "-MD", "-MMD", "--dependencies", "--user-dependencies", "--write-dependencies",
        "--write-user-dependencies",
    ]

    /// `-DNAME`, `-D NAME`, `-DNAME=VALUE`.
    private static func definitions(_ arguments: [String]) -> Set<String> {
        Set(
            zip(arguments, arguments.dropFirst() + [""]).compactMap { word, next in
                let text = word == "-D" ? next[...] : word.hasPrefix("-D") ? word.dropFirst(2) : nil
                return text.map { String($0.prefix { $0 != "=" && $0 != "(" }) }
            })
    }

    /// A `-` that is no option's value: `-o -` is where clang writes to.
    private static func readsInput(_ words: [String]) -> Bool {
        zip(words, words.dropFirst()).contains { $1 == "-" && !["-o", "-MF"].contains($0) }
    }

    /// A pipe, a socket, a terminal: what was read of it is gone.
    private static func isReadOnce(_ path: String) -> Bool {
        var status = stat()
        guard stat(path, &status) == 0 else { return false }
        switch status.st_mode & S_IFMT {
        case S_IFIFO, S_IFSOCK: return true
        case S_IFCHR: return path != "/dev/null"
        default: return false
        }
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
