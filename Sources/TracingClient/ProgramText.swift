/// What of a program's text matters to a PCH: which headers it includes, and whether it defines macros before that.
///
/// A PCH has its headers compiled already: a macro that the program defines before it includes them comes too late, and
/// clang says nothing. So such a program is not given one. Pure, and no preprocessor: it looks at lines, and at the text in
/// a script's strings as well, so that it may see a directive where there is none; that costs time, and no correctness.
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
        while let hash = bytes[index...].firstIndex(of: UInt8(ascii: "#")) {
            index = hash + 1
            guard Self.canBegin(bytes, hash) else { continue }
            var scanner = Scanner(bytes[index...])
            if !isScript { scanner.skipBlanks() }
            let lastGuardian = guardian
            guardian = nil
            switch scanner.word() {
            case "ifndef":
                scanner.skipBlanks()
                if isFirst { guardian = scanner.nonEmptyWord() }
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
    }

    /// The text as a compiler sees it that is told to include these first.
    func including(_ headers: [String]) -> ProgramText {
        var text = self
        text.directives = headers.map { .ownInclude($0) } + directives
        return text
    }

    /// What the texts of a program need together.
    ///
    /// - Parameters:
    ///   - texts: each on its own: what one defines is not defined in another.
    ///   - find: the text of a header that is the program's own, or the tool's; nil if there is none of that name.
    static func needs(
        of texts: [ProgramText], find: @escaping (_ header: String, _ isQuoted: Bool) -> ProgramText?
    ) -> Needs {
        var walk = Walk(find: find)
        for text in texts where walk.needs.obstacle == nil {
            walk.macro = nil
            walk.visit(text, depth: 0)
        }
        return walk.needs
    }

    private struct Walk {
        let find: (_ header: String, _ isQuoted: Bool) -> ProgramText?
        var needs = Needs()
        /// Defined or undefined in this text, and not followed by an include yet.
        var macro: String?
        private var seen: Set<String> = []
        private var known: Set<String> = []

        init(find: @escaping (_ header: String, _ isQuoted: Bool) -> ProgramText?) { self.find = find }

        mutating func visit(_ text: ProgramText, depth: Int) {
            guard depth < ProgramText.depthLimit, seen.count < ProgramText.filesLimit else {
                needs.obstacle = "it includes too many files of its own to look into"
                return
            }
            for directive in text.directives where needs.obstacle == nil {
                switch directive {
                case .macro(let name): macro = macro ?? name
                case .unclear(let name): needs.obstacle = "it includes what the macro \(name) names"
                case .include(let header): include(header, isQuoted: false, depth)
                case .ownInclude(let header): include(header, isQuoted: true, depth)
                }
            }
        }

        private mutating func include(_ header: String, isQuoted: Bool, _ depth: Int) {
            if let own = find(header, isQuoted) {
                // Macros of its own headers count only if one of the kernel's comes after them.
                if seen.insert(header).inserted { visit(own, depth: depth + 1) }
                return
            }
            if let macro {
                needs.obstacle = "it defines or undefines \(macro) before it includes \(header)"
                return
            }
            if known.insert(header).inserted { needs.headers.append(header) }
        }
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

        mutating func skipBlanks() {
            rest = rest.drop { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") }
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
