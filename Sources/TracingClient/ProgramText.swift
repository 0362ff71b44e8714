/// What of a program's text matters to a PCH: which headers it includes, and whether it defines macros before that.
///
/// A PCH has its headers compiled already: a macro that the program defines before it includes them comes too late, and
/// clang says nothing. And it has more headers than the program includes: what the program asks of a macro may have another
/// answer. Such a program is not given one. Pure, and no preprocessor: it looks at lines, and at the text in a script's
/// strings as well, so that it may see a directive where there is none; that costs time, and no correctness.
public struct ProgramText: Sendable, Equatable {
    /// A directive, in the order of the text.
    enum Directive: Equatable {
        /// `#include <linux/sched.h>`
        case include(String)
        /// `#include "own.h"`
        case ownInclude(String)
        /// `#define NAME`, `#undef NAME`
        case macro(String)
        /// `#include NAME`, whose header a macro names.
        case unclear(String)
        /// `#if`, `#ifdef`, `#elif`: the names in it.
        case condition([String])
        /// What is a directive to a compiler, and is not looked into here: `%:define`, `#/**/define`.
        case odd(String)
    }

    /// What a text asks of a PCH.
    public struct Needs: Sendable, Equatable {
        /// As the program writes them, each once, in order.
        public internal(set) var headers: [String] = []
        /// Why it can have no PCH, in a few words, such as "it defines DEBUG before its last #include".
        public internal(set) var obstacle: String?
    }

    /// The most files that are looked into, and how deep: a program's own headers include others.
    static let filesLimit = 100
    static let depthLimit = 20

    private(set) var directives: [Directive]
    /// What a script gives compilers by `-DNAME`.
    private(set) var options: Set<String> = []

    /// - Parameters:
    ///   - isScript: whether it is no C: a `#` with a space behind it begins a comment there.
    ///   - isHeader: whether it may begin with a guard, a macro that no other header asks for. A program's own
    ///     `#ifndef` is no guard: it sets what a header has a default for.
    init(_ text: some StringProtocol, isScript: Bool = false, isHeader: Bool = false) {
        var directives: [Directive] = []
        let bytes = Array(text.utf8)
        var index = 0
        var guardian: String?
        var isFirst = isHeader
        if !isScript, let odd = Self.digraph(bytes) { directives.append(.odd(odd)) }
        while let hash = bytes[index...].firstIndex(of: UInt8(ascii: "#")) {
            index = hash + 1
            guard Self.canBegin(bytes, hash) else { continue }
            var scanner = Scanner(bytes[index...])
            // In a script this may be a comment, which costs time.
            let isIndented = scanner.skipBlanks()
            if isScript, isIndented, !scanner.isAt("define"), !scanner.isAt("undef") { continue }
            if !isScript, scanner.isAt("/*") || scanner.isAt("\\") {
                directives.append(.odd("#\(scanner.isAt("/*") ? "/*" : "\\")"))
            }
            let lastGuardian = guardian
            guardian = nil
            switch scanner.word() {
            case "ifndef":
                scanner.skipBlanks()
                if isFirst { guardian = scanner.nonEmptyWord() } else { directives.append(.condition(scanner.names())) }
            case "if", "ifdef", "elif", "elifdef", "elifndef": directives.append(.condition(scanner.names()))
            case "include", "include_next", "import":
                scanner.skipBlanks()
                if let header = scanner.enclosed(UInt8(ascii: "<"), UInt8(ascii: ">")) {
                    directives.append(.include(header))
                } else if let header = scanner.quoted() {
                    directives.append(.ownInclude(header))
                } else if let name = scanner.nonEmptyWord() {
                    // A sentence in a script: `#include what is needed`.
                    if !isScript { directives.append(.unclear(name)) }
                }
            case "define", "undef":
                scanner.skipBlanks()
                if let name = scanner.nonEmptyWord(), name != lastGuardian { directives.append(.macro(name)) }
            default: break
            }
            isFirst = false
            index = max(index, scanner.position)
        }
        self.directives = directives
        if isScript { options = Self.options(in: bytes) }
    }

    /// The text as a compiler sees it that is told to include these first.
    func including(_ headers: [String]) -> ProgramText {
        var text = self
        text.directives = headers.map { .ownInclude($0) } + directives
        return text
    }

    /// One of a program's texts, and the folder that it is in.
    struct Place {
        let text: ProgramText
        let folder: String
    }

    /// A header that is the program's own, or the tool's.
    struct OwnHeader {
        let path: String
        let text: ProgramText
    }

    /// What the texts of a program need together.
    ///
    /// - Parameters:
    ///   - places: each on its own: what one defines is not defined in another.
    ///   - known: macros whose values are the same with a PCH.
    ///   - find: a header, as a text in a folder includes it; nil if it is neither the program's own nor the tool's.
    static func needs(
        of places: [Place], known: Set<String> = [],
        find: @escaping (_ header: String, _ isQuoted: Bool, _ folder: String) -> OwnHeader?
    ) -> Needs {
        var walk = Walk(find: find)
        for place in places where walk.needs.obstacle == nil {
            walk.begin(known.union(place.text.options))
            walk.visit(place.text, in: place.folder, depth: 0)
        }
        return walk.needs
    }

    private struct Walk {
        let find: (_ header: String, _ isQuoted: Bool, _ folder: String) -> OwnHeader?
        var needs = Needs()
        /// Defined or undefined in this text, and not followed by an include yet.
        private var macro: String?
        /// Macros that this text has defined, or that are the same in any case.
        private var known: Set<String> = []
        /// Own headers that this text has included.
        private var seen: Set<String> = []
        private var files = 0
        private var included: Set<String> = []

        init(find: @escaping (_ header: String, _ isQuoted: Bool, _ folder: String) -> OwnHeader?) { self.find = find }

        mutating func begin(_ known: Set<String>) {
            (macro, self.known, seen) = (nil, known.union(ProgramText.compilerNames), [])
        }

        mutating func visit(_ text: ProgramText, in folder: String, depth: Int) {
            guard depth < ProgramText.depthLimit, files < ProgramText.filesLimit else {
                needs.obstacle = "it includes too many files of its own to look into"
                return
            }
            for directive in text.directives where needs.obstacle == nil {
                switch directive {
                case .macro(let name):
                    macro = macro ?? name
                    known.insert(name)
                case .unclear(let name): needs.obstacle = "it includes what the macro \(name) names"
                case .odd(let beginning): needs.obstacle = "it has a directive that begins with \(beginning)"
                case .condition(let names):
                    guard let name = names.first(where: { !$0.hasPrefix("CONFIG_") && !known.contains($0) }) else {
                        break
                    }
                    needs.obstacle =
                        "it asks whether there is \(name), which headers may define that it does not include"
                case .include(let header): include(header, isQuoted: false, folder, depth)
                case .ownInclude(let header): include(header, isQuoted: true, folder, depth)
                }
            }
        }

        private mutating func include(_ header: String, isQuoted: Bool, _ folder: String, _ depth: Int) {
            if let own = find(header, isQuoted, folder) {
                // Macros of its own headers count only if one of the kernel's comes after them.
                guard seen.insert(own.path).inserted else { return }
                files += 1
                return visit(own.text, in: ProgramText.folder(of: own.path), depth: depth + 1)
            }
            if let macro {
                needs.obstacle = "it defines or undefines \(macro) before it includes \(header)"
                return
            }
            if header == "linux/version.h" { known.formUnion(ProgramText.versionNames) }
            if included.insert(header).inserted { needs.headers.append(header) }
        }
    }

    /// Those of `linux/version.h`, which bcc includes before each program.
    static let versionNames: Set = ["LINUX_VERSION_CODE", "KERNEL_VERSION"]

    /// What a compiler itself defines, or a profile's flags.
    private static let compilerNames: Set = [
        "defined", "__KERNEL__", "__BPF_TRACING__", "__ASSEMBLY__", "__cplusplus", "__clang__", "__clang_major__",
        "__clang_minor__", "__GNUC__", "__GNUC_MINOR__", "__OPTIMIZE__", "__BPF__", "__bpf__", "__x86_64__", "__i386__",
        "__aarch64__", "__arm__", "__s390x__", "__powerpc__", "__powerpc64__", "__riscv", "__loongarch__", "__mips__",
        "__BYTE_ORDER__", "__ORDER_LITTLE_ENDIAN__", "__ORDER_BIG_ENDIAN__", "__TARGET_ARCH_x86", "__TARGET_ARCH_arm64",
        "__TARGET_ARCH_s390", "__TARGET_ARCH_powerpc", "__TARGET_ARCH_riscv",
    ]

    static func folder(of path: String) -> String {
        guard let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")) else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    /// A `%:` that stands for `#` at the beginning of a line.
    private static func digraph(_ bytes: [UInt8]) -> String? {
        for (index, byte) in bytes.enumerated() where byte == UInt8(ascii: "%") {
            if index + 1 < bytes.count, bytes[index + 1] == UInt8(ascii: ":"), canBegin(bytes, index) { return "%:" }
        }
        return nil
    }

    private static func options(in bytes: [UInt8]) -> Set<String> {
        var options: Set<String> = []
        var index = 0
        while let dash = bytes[index...].firstIndex(of: UInt8(ascii: "-")) {
            index = dash + 1
            guard index < bytes.count, bytes[index] == UInt8(ascii: "D") else { continue }
            var scanner = Scanner(bytes[(index + 1)...])
            if let name = scanner.nonEmptyWord() { options.insert(name) }
        }
        return options
    }

    /// A directive stands first on its line; in a script's string after a quote, or after a line end that is written `\n`.
    private static func canBegin(_ bytes: [UInt8], _ hash: Int) -> Bool {
        var index = hash
        while index > 0, bytes[index - 1] == UInt8(ascii: " ") || bytes[index - 1] == UInt8(ascii: "\t") { index -= 1 }
        guard index > 0 else { return true }
        switch bytes[index - 1] {
        case UInt8(ascii: "\n"), UInt8(ascii: "\r"), UInt8(ascii: "\""), UInt8(ascii: "'"), UInt8(ascii: "`"):
            return true
        // Lua's [[…]].
        case UInt8(ascii: "["): return true
        // A C comment before a directive.
        case UInt8(ascii: "/"): return index > 1 && bytes[index - 2] == UInt8(ascii: "*")
        case UInt8(ascii: "n"): return index > 1 && bytes[index - 2] == UInt8(ascii: "\\")
        default: return false
        }
    }

    private struct Scanner {
        private var rest: ArraySlice<UInt8>
        var position: Int { rest.startIndex }

        init(_ rest: ArraySlice<UInt8>) { self.rest = rest }

        /// - Returns: whether there was one.
        @discardableResult
        mutating func skipBlanks() -> Bool {
            let count = rest.count
            rest = rest.drop { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") }
            return rest.count < count
        }

        func isAt(_ text: String) -> Bool { rest.starts(with: text.utf8) }

        /// The names up to the line's end, or that of a script's string; a line that goes on is read on.
        mutating func names() -> [String] {
            var names: [String] = []
            while let byte = rest.first {
                let word = word()
                if let first = word.utf8.first {
                    if !(UInt8(ascii: "0")...UInt8(ascii: "9")).contains(first) { names.append(word) }
                    continue
                }
                rest = rest.dropFirst()
                if byte == UInt8(ascii: "\n") || byte == UInt8(ascii: "\"") { break }
                guard byte == UInt8(ascii: "\\") else { continue }
                // A line end within a string, or one that does not count.
                if rest.first == UInt8(ascii: "n") { break }
                rest = rest.dropFirst()
            }
            return names
        }

        mutating func word() -> String {
            let word = rest.prefix {
                switch $0 {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"):
                    true
                default: false
                }
            }
            rest = rest.dropFirst(word.count)
            return String(decoding: word.prefix(256), as: UTF8.self)
        }

        mutating func nonEmptyWord() -> String? {
            let word = word()
            return word.isEmpty ? nil : word
        }

        mutating func enclosed(_ first: UInt8, _ last: UInt8) -> String? {
            guard rest.first == first else { return nil }
            let name = rest.dropFirst().prefix { $0 != last && $0 != UInt8(ascii: "\n") }
            guard (1...256).contains(name.count), rest.dropFirst(1 + name.count).first == last else { return nil }
            rest = rest.dropFirst(name.count + 2)
            return String(decoding: name, as: UTF8.self)
        }

        /// Within a script's string a quote may be written `\"`.
        mutating func quoted() -> String? {
            let quote = UInt8(ascii: "\"")
            if let name = enclosed(quote, quote) { return name.hasSuffix("\\") ? String(name.dropLast()) : name }
            guard rest.starts(with: [UInt8(ascii: "\\"), quote]) else { return nil }
            rest = rest.dropFirst()
            return quoted()
        }
    }
}
