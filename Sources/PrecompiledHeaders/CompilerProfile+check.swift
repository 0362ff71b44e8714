internal import HeaderArchive
internal import KernelHeaders

extension CompilerProfile {
    /// The most bytes of all that is in a profile. bcc 0.31's has some 500 kB.
    public static let limit = 2 << 20

    /// Checks a profile that came from outside: clang can be told to read, load and write files by its flags. The sandbox
    /// has nothing of worth to read; what is not needed is refused all the same.
    ///
    /// - Throws: `Problem` with `profile-too-large` or `profile-malformed`.
    public func check() throws {
        guard canonicalForm.utf8.count <= Self.limit, flags.count <= 256, headers.count <= 64 else {
            throw Problem(
                .profileTooLarge,
                "A profile has at most \(Self.limit) bytes, 256 flags and 64 headers. bcc's own have a quarter of that."
            )
        }
        guard (1...64).contains(name.utf8.count), name.utf8.allSatisfy(Self.isNameByte) else {
            throw Problem(.profileMalformed, "A profile's name has 1 to 64 letters, digits, dots and hyphens.")
        }
        var rest = flags[...]
        while let flag = rest.popFirst() {
            guard let takes = Self.isAllowed(flag, before: rest.first) else {
                throw Problem(
                    .profileMalformed, "The flag \(flag) can't be in a profile: macros, folders, -f, -m, -O and -W can."
                )
            }
            rest = rest.dropFirst(takes)
        }
        for path in headers.keys {
            let inside = path.dropFirst()
            guard path.hasPrefix("/virtual/"), let header = try? HeaderPath(named: Array(inside.utf8)),
                "\(header)" == inside, header.components.count > 1
            else {
                throw Problem(.profileMalformed, "A profile's own header is below /virtual, and \(path) is not.")
            }
        }
    }

    /// - Returns: how many words behind the flag belong to it; nil if it is not allowed.
    private static func isAllowed(_ flag: String, before next: String?) -> Int? {
        // clang's driver replaces every word that begins so by what a file says, whatever stands before it.
        guard flag.utf8.first != UInt8(ascii: "@") else { return nil }
        func place(_ path: some StringProtocol) -> Bool { isPlace(String(path)) }
        switch flag {
        case "-include", "-isystem", "-I", "-idirafter": return next.map(place) == true ? 1 : nil
        case "-target":
            return next.map { $0.utf8.allSatisfy { isNameByte($0) || "{}_".utf8.contains($0) } } == true ? 1 : nil
        case "-nostdinc", "-nostdlibinc", "-nobuiltininc": return 0
        default: break
        }
        if flag.hasPrefix("-D") || flag.hasPrefix("-U") {
            return flag.utf8.count > 2 && !flag.utf8.contains(UInt8(ascii: "\n")) ? 0 : nil
        }
        if flag.hasPrefix("-I") { return place(flag.dropFirst(2)) ? 0 : nil }
        // They name files, hand words on, or mean another thing on each machine.
        guard !reachingOut.contains(where: { flag.hasPrefix($0) }), !flag.hasSuffix("=native") else { return nil }
        // Not `-Wp,`, `-Wa,`, `-fplugin=`, `-fprofile-use=`: they hand words on, or name files.
        let isPlain = flag.utf8.dropFirst(2).allSatisfy(isNameByte)
        if flag.hasPrefix("-f") || flag.hasPrefix("-W") || flag.hasPrefix("-O") { return isPlain ? 0 : nil }
        if flag.hasPrefix("-m") || flag.hasPrefix("-std=") || flag.hasPrefix("-g") {
            return flag.utf8.dropFirst(2).allSatisfy { isNameByte($0) || $0 == UInt8(ascii: "=") }
                ? 0 : nil
        }
        return nil
    }

    private static let reachingOut = [
        "-mllvm", "-ftime-trace", "-fsave-optimization-record", "-fstack-usage", "-ftest-coverage", "-fprofile",
        "-fcoverage", "-gsplit-dwarf", "-fcrash-diagnostics", "-fplugin", "-fpass-plugin", "-fmodule",
    ]

    /// A path within the tree, or of an own header.
    private static func isPlace(_ path: String) -> Bool {
        guard !path.isEmpty, path.utf8.first != UInt8(ascii: "@"), path.utf8.count <= 256,
            !path.split(separator: "/").contains("..")
        else { return false }
        return path.utf8.first != UInt8(ascii: "/") || path.hasPrefix("/virtual/")
    }

    private static func isNameByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: "+"):
            true
        default: false
        }
    }
}
