internal import HeaderArchive
internal import KernelHeaders
internal import KernelProbe

/// What of a `libbcc.so` decides how it compiles: the constants that it shows its compiler as files, and the flags that its
/// code has in it.
struct BCCLibraryContents {
    /// What is not as it is in any bcc known here, in a few words.
    struct Flaw: Error, Equatable, CustomStringConvertible {
        let description: String

        init(_ description: String) { self.description = description }
    }

    /// The longest constant taken. bpf.h has 265 kB.
    static let constantLimit = 1 << 20

    private let library: SharedLibrary
    private var bytes: [UInt8] { library.bytes }

    init(_ library: SharedLibrary) { self.library = library }

    // MARK: Headers

    /// bcc's own headers, each by a line that only it has (`src/cc/export/`, `src/cc/compat/linux/virtual_bpf.h`).
    private static let marks = [
        ("/virtual/include/bcc/bpf.h", "#ifndef _UAPI__LINUX_BPF_H__\n"),
        ("/virtual/include/bcc/bpf_workaround.h", "#ifndef __HAVE_BUILTIN_BSWAP16__\n"),
        ("/virtual/include/bcc/helpers.h", "#ifndef __BPF_HELPERS_H\n"),
        ("/virtual/include/bcc/proto.h", "#ifndef __BCC_PROTO_H\n"),
        ("/virtual/lib/clang/include/stdarg.h", "#ifndef __STDARG_H\n"),
    ]
    /// Others that bcc has, and includes in no program.
    private static let unused: Set = ["/virtual/include/bcc/footer.h"]

    func headers() throws -> [String: String] {
        for path in virtualHeaders where !Self.unused.contains(path) && !Self.marks.contains(where: { $0.0 == path }) {
            throw Flaw("it has a header of its own that is not known here, \(path)")
        }
        var headers: [String: String] = [:]
        for (path, mark) in Self.marks { headers[path] = try header(path, mark) }
        return headers
    }

    /// A raw string begins with the line end after `R"***(`; what lies before it in the file is another constant, often not
    /// ended by a NUL.
    private func header(_ path: String, _ mark: String) throws -> String {
        let places = places(of: Array(mark.utf8), in: library.constants, most: 2)
        guard places.count == 1, let place = places.first else {
            throw Flaw("its \(path) was \(places.isEmpty ? "not found" : "found twice")")
        }
        var start = place
        while start > library.constants.lowerBound, place - start < Self.constantLimit, Self.isText(bytes[start - 1]) {
            start -= 1
        }
        // What happens to be text of another constant's last bytes is on a line of its own.
        let beginnings = ["\n/*", "\n#ifndef"].map { Array($0.utf8) }
        guard
            let begin = (start..<min(place, start + 16)).first(where: { index in
                beginnings.contains { bytes[index...].starts(with: $0) }
            })
        else { throw Flaw("where its \(path) begins can't be told") }
        return try text(from: begin, path)
    }

    /// What bcc puts before a program (`BFrontendAction::DoMiscWorkAround`).
    func prologue() throws -> String {
        let places = places(of: Array("\0#if defined(BPF_LICENSE)\n".utf8), in: library.constants, most: 2)
        guard places.count == 1, let place = places.first else {
            throw Flaw("what it puts before programs was \(places.isEmpty ? "not found" : "found twice")")
        }
        return try text(from: place + 1, "what it puts before programs")
    }

    /// A constant to its NUL.
    private func text(from start: Int, _ name: String) throws -> String {
        let rest = bytes[start..<min(library.constants.upperBound, start + Self.constantLimit + 1)]
        guard let end = rest.firstIndex(of: 0), let text = String(validating: rest[..<end], as: UTF8.self) else {
            throw Flaw("\(name) does not end, or is no text")
        }
        return text
    }

    private var virtualHeaders: Set<String> {
        Set(
            // Not those in pieces of sixteen bytes, which run into each other.
            places(of: Array("\0/virtual/".utf8), in: library.constants, most: 100).compactMap { place in
                let rest = bytes[(place + 1)..<min(library.constants.upperBound, place + 128)]
                guard let end = rest.firstIndex(of: 0), rest[..<end].suffix(2).elementsEqual(".h".utf8) else {
                    return nil
                }
                return String(decoding: rest[..<end], as: UTF8.self)
            })
    }

    // MARK: Flags

    /// The arguments that are about headers, in bcc's order (`ClangLoader::do_compile`, `KBuildHelper::get_flags`), without
    /// `-I` of the working folder, debug information, and what a user or a variable adds.
    func flags(_ architecture: Architecture, triple: String) throws -> [String] {
        if let unknown = unknownOption { throw Flaw("it passes its compiler \(unknown), which is not known here") }
        for text in Self.always where !has(text) { throw Flaw("it does not pass its compiler \(text)") }
        let isX86 = architecture.machine == "x86_64"
        let hasJumpTables = isX86 || architecture.machine == "aarch64"
        let arch = "arch/\(CompilerProfile.Placeholder.architecture)/include"
        return ["-target", triple, "-O2"] + among(["-D__BPF_TRACING__"], text: "__BPF_TRACING__")
            + among([
                "-Wno-deprecated-declarations", "-Wno-gnu-variable-sized-type-not-at-end",
                "-Wno-pragma-once-outside-header", "-Wno-address-of-packed-member", "-Wno-unknown-warning-option",
            ])
            + (isX86 ? among(["-Wno-duplicate-decl-specifier", "-fcf-protection"]) : [])
            + among(["-fno-color-diagnostics", "-fno-unwind-tables", "-fno-asynchronous-unwind-tables"])
            + [
                "-nostdinc", "-isystem", "/virtual/lib/clang/include", "-I\(arch)/", "-I\(arch)/generated", "-Iinclude",
                "-I\(arch)/uapi", "-I\(arch)/generated/uapi", "-Iinclude/uapi", "-Iinclude/generated/uapi", "-include",
                "./include/linux/kconfig.h", "-D__KERNEL__", "-DKBUILD_MODNAME=\"bcc\"",
            ]
            + among([
                "-Wno-unused-value", "-Wno-pointer-sign", "-fno-stack-protector", "-fms-extensions",
                "-Wno-microsoft-anon-tag", "-DCONFIG_CC_IS_CLANG",
            ])
            + [
                "-include", "/virtual/include/bcc/bpf.h", "-include", "/virtual/include/bcc/bpf_workaround.h",
                "-include", "/virtual/include/bcc/helpers.h", "-isystem", "/virtual/include",
            ] + (hasJumpTables ? among(["-fno-jump-tables"]) : [])
    }

    /// What no bcc does without.
    private static let always = [
        "-nostdinc", "-isystem", "/virtual/lib/clang/include", "./include/linux/kconfig.h", "-D__KERNEL__",
        "-DKBUILD_MODNAME=", "/virtual/include/bcc/helpers.h",
    ]

    /// Those of some arguments that are in the library.
    private func among(_ arguments: [String], text: String? = nil) -> [String] { arguments.filter { has(text ?? $0) } }

    /// Whether a text is in the library, as a constant or in code: compilers put short ones into instructions, in pieces of
    /// eight bytes, and longer ones are copied in pieces of sixteen, which lie apart.
    private func has(_ text: String) -> Bool {
        !places(of: Array(text.utf8.prefix(8)), in: 0..<bytes.count, most: 1).isEmpty
    }

    /// What compilers are passed by the bccs that are known here, their options for other machines and purposes among it.
    private static let known: Set = [
        "-DB_WORKAROUND", "-DLINUX_VERSION_CODE_OVERRIDE=", "-D_MIPS_SZLONG=64", "-D__MIPSEL__", "-D__TARGET_ARCH_",
        "-DCUR_CPU_IDENTIFIER=", "-D__BPF_TRACING__", "-D__KERNEL__", "-DKBUILD_MODNAME=", "-DKBUILD_MODNAME=\"bcc\"",
        "-DCONFIG_CC_IS_CLANG", "-Iarch/", "-Iinclude", "-Iinclude/uapi", "-Iinclude/generated/uapi",
        "-Iarch/mips/include/asm/mach-loongson64", "-Iarch/mips/include/asm/mach-generic", "-Iinclude/generated",
        "-Wno-address-of-packed-member", "-Wno-deprecated-declarations", "-Wno-gnu-variable-sized-type-not-at-end",
        "-Wno-pragma-once-outside-header", "-Wno-unknown-warning-option", "-Wno-duplicate-decl-specifier",
        "-Wno-unused-value", "-Wno-pointer-sign", "-Wno-microsoft-anon-tag", "-fno-asynchronous-unwind-tables",
        "-fno-color-diagnostics", "-fno-jump-tables", "-fno-unwind-tables", "-fno-stack-protector", "-fms-extensions",
        "-fcf-protection", "-include", "-isystem", "-nostdinc",
    ]

    /// A constant that looks like a compiler's option and is none of those known: a release of bcc that does something new.
    private var unknownOption: String? {
        for beginning in ["-D", "-W", "-f", "-m", "-I", "-i", "-n", "-std"] {
            for place in places(of: [0] + Array(beginning.utf8), in: library.constants, most: 1000) {
                let rest = bytes[(place + 1)..<min(library.constants.upperBound, place + 66)]
                guard let end = rest.firstIndex(of: 0), rest[..<end].allSatisfy(Self.isOption), rest[..<end].count > 5
                else { continue }
                let text = String(decoding: rest[..<end], as: UTF8.self)
                if !Self.known.contains(text) { return text }
            }
        }
        return nil
    }

    // MARK: Bytes

    /// Where some bytes occur, the first of them.
    private func places(of wanted: [UInt8], in range: Range<Int>, most: Int) -> [Int] {
        var found: [Int] = []
        var rest = range
        while found.count < most, let place = bytes.offset(of: wanted, in: rest) {
            found.append(place)
            rest = (place + 1)..<range.upperBound
        }
        return found
    }

    private static func isText(_ byte: UInt8) -> Bool {
        (0x20...0x7E).contains(byte) || byte == 0x0A || byte == 0x09 || byte == 0x0D
    }

    private static func isOption(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "="),
            UInt8(ascii: "/"), UInt8(ascii: "\""):
            true
        default: false
        }
    }
}
