internal import HeaderArchive

/// Keeps a PCH from serving a program that it would silently compile wrongly.
///
/// A header reads macros: `#ifdef CONFIG_KCOV`. A program that defines such a macro before its includes, or a `-D` on its
/// command line, would have had other headers than those in the PCH, and clang says nothing (`task_struct` just has another
/// size). So each macro that the headers test, and that is not defined, is poisoned at the end of the umbrella
/// (`#pragma GCC poison`), and redefining one that is defined becomes an error. clang keeps both in the PCH; neither costs a
/// program anything that does no such thing. A program that does gets an error, and is compiled with the headers instead.
///
/// Programs that only test such a macro (`#ifdef CONFIG_KCOV`) are sent there, too. Not seen is `#undef` of a macro that is
/// defined.
struct MacroGuard {
    /// Names that the headers test, or that say how the kernel was configured.
    private(set) var tested: Set<String> = []

    /// Notes what a file tests.
    mutating func read(_ file: [UInt8]) {
        let text = Self.joinedLines(Self.withoutComments(file))
        for line in text.split(separator: UInt8(ascii: "\n")) {
            let words = Self.identifiers(in: line)
            if Self.isCondition(line) {
                tested.formUnion(words.dropFirst())
            } else {
                tested.formUnion(words.filter { $0.hasPrefix("CONFIG_") })
            }
        }
    }

    /// The lines that end an umbrella.
    ///
    /// - Parameters:
    ///   - defined: macros that are defined at its end.
    ///   - exempt: text of the client's own that is read after it, and may test what it likes.
    func pragmas(defined: Set<String>, exempt: String) -> String {
        let spared = Set(Self.identifiers(in: Array(exempt.utf8)[...]))
        let names = tested.subtracting(defined).subtracting(spared).filter(Self.isPoisonable).sorted()
        return "#pragma clang diagnostic error \"-Wmacro-redefined\"\n"
            + names.map { "#pragma GCC poison \($0)\n" }.joined()
    }

    /// Words of the preprocessor's own can't be poisoned. Names like `__s390__` are the compiler's to define, and other
    /// headers than the kernel's test them: libbpf's do.
    private static func isPoisonable(_ name: String) -> Bool {
        guard !name.hasPrefix("__has_"), !["defined", "__VA_ARGS__", "__VA_OPT__"].contains(name) else { return false }
        return !(name.hasPrefix("__") && name.utf8.allSatisfy { !(UInt8(ascii: "A")...UInt8(ascii: "Z")).contains($0) })
    }

    /// The names of macros that `clang -E -dM` printed: `#define NAME …`, `#define NAME(x) …`.
    static func names(definedIn output: [UInt8]) -> Set<String> {
        Set(
            output.split(separator: UInt8(ascii: "\n")).compactMap { line in
                guard line.starts(with: "#define ".utf8) else { return nil }
                return identifiers(in: line.dropFirst("#define ".utf8.count)).first
            })
    }

    // MARK: Reading

    /// `#if`, `#ifdef`, `#ifndef`, `#elif`, `#elifdef`, `#elifndef`.
    private static func isCondition(_ line: ArraySlice<UInt8>) -> Bool {
        var rest = line.drop { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") }
        guard rest.popFirst() == UInt8(ascii: "#") else { return false }
        rest = rest.drop { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") }
        return rest.starts(with: "if".utf8) || rest.starts(with: "elif".utf8)
    }

    private static func identifiers(in line: ArraySlice<UInt8>) -> [String] {
        line.split { !isIdentifier($0) }.compactMap { word in
            guard let first = word.first, !(UInt8(ascii: "0")...UInt8(ascii: "9")).contains(first) else { return nil }
            return String(decoding: word, as: UTF8.self)
        }
    }

    private static func isIdentifier(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"):
            true
        default: false
        }
    }

    /// Each `/* … */` becomes a blank, and each `// …` goes; within quotes, which end with their line, neither begins.
    private static func withoutComments(_ bytes: [UInt8]) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(bytes.count)
        var index = 0
        var quote: UInt8?
        while index < bytes.count {
            let byte = bytes[index]
            let next = index + 1 < bytes.count ? bytes[index + 1] : 0
            switch (quote, byte, next) {
            case (.some, UInt8(ascii: "\\"), UInt8(ascii: "\"")), (.some, UInt8(ascii: "\\"), UInt8(ascii: "'")),
                (.some, UInt8(ascii: "\\"), UInt8(ascii: "\\")):
                result += [byte, next]
                index += 2
                continue
            case (.some(let open), _, _):
                if byte == open || byte == UInt8(ascii: "\n") { quote = nil }
            case (nil, UInt8(ascii: "\""), _), (nil, UInt8(ascii: "'"), _): quote = byte
            case (nil, UInt8(ascii: "/"), UInt8(ascii: "/")):
                while index < bytes.count, bytes[index] != UInt8(ascii: "\n") { index += 1 }
                continue
            case (nil, UInt8(ascii: "/"), UInt8(ascii: "*")):
                index = Self.end(ofComment: bytes, from: index + 2)
                result.append(UInt8(ascii: " "))
                continue
            default: break
            }
            result.append(byte)
            index += 1
        }
        return result
    }

    /// Behind the `*/`, or behind the last byte.
    private static func end(ofComment bytes: [UInt8], from start: Int) -> Int {
        var index = start
        while index + 1 < bytes.count {
            if bytes[index] == UInt8(ascii: "*"), bytes[index + 1] == UInt8(ascii: "/") { return index + 2 }
            index += 1
        }
        return bytes.count
    }

    /// Lines that a backslash continues become one.
    private static func joinedLines(_ bytes: [UInt8]) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(bytes.count)
        for byte in bytes {
            if byte == UInt8(ascii: "\n"), result.last == UInt8(ascii: "\\") {
                result[result.count - 1] = UInt8(ascii: " ")
            } else {
                result.append(byte)
            }
        }
        return result
    }
}
