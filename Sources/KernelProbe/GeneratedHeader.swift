/// A header that the kernel's build made, of lines like `#define UTS_RELEASE "6.1.0-56-amd64"`.
struct GeneratedHeader {
    /// Where trees and archives have the release (`UTS_RELEASE`).
    static let release = "include/generated/utsrelease.h"
    /// Where they may have the version line (`UTS_VERSION`): since 6.1 the first, which the kernel's own archive leaves out.
    static let versions = ["include/generated/utsversion.h", "include/generated/compile.h"]
    /// Where they have `LINUX_VERSION_CODE`.
    static let code = "include/generated/uapi/linux/version.h"

    private let text: String

    init(_ bytes: [UInt8]) { text = String(decoding: bytes, as: UTF8.self) }

    /// The string that a macro is defined as.
    func string(_ macro: String) -> String? {
        for line in text.split(separator: "\n") {
            let parts = line.split(separator: "\"", omittingEmptySubsequences: false)
            guard parts.count == 3, parts[0].split(whereSeparator: \.isWhitespace) == ["#define", Substring(macro)]
            else { continue }
            return String(parts[1])
        }
        return nil
    }

    /// The decimal number that a macro is defined as.
    func number(_ macro: String) -> Int? {
        for line in text.split(separator: "\n") {
            let words = line.split(whereSeparator: \.isWhitespace)
            if words.count == 3, words[0] == "#define", words[1] == macro { return Int(words[2]) }
        }
        return nil
    }

    /// Whether a version line is that of the running kernel.
    ///
    /// - Parameters:
    ///   - version: `UTS_VERSION`.
    ///   - line: as `uname -v` prints it, or all of `/proc/version`, which ends in it.
    static func isVersion(_ version: String, of line: String) -> Bool {
        line == version || line.hasSuffix(" \(version)")
    }

    /// Whether `LINUX_VERSION_CODE` can be that of a release. Only its first two numbers count: distributions keep the third
    /// one of the release while that of the code goes on (Debian's 6.1.0-56 is a 6.1.192).
    static func isCode(_ code: Int, of release: String) -> Bool {
        let numbers = release.prefix { $0 == "." || $0.isNumber }.split(separator: ".").prefix(2).map { Int($0) }
        guard numbers.count == 2, let major = numbers[0], let minor = numbers[1] else { return false }
        return code >> 8 == major << 8 | minor
    }
}
