internal import KernelHeaders

/// What a kernel says of itself: `Linux version RELEASE (who built it) (compiler) #1 SMP …`.
///
/// It is `linux_banner` in the kernel's `init/version.c`, the text of `/proc/version`, and, without the first words and
/// the compiler, the `kernel_version` string of a boot image.
struct KernelBanner: Equatable {
    static let prefix = Array("Linux version ".utf8)

    /// As `uname -r` prints it.
    let release: String
    /// What follows `Linux version `, up to the end of the line.
    let line: String

    /// - Parameter text: what follows `Linux version `; ends at a newline or a NUL, or with the bytes.
    /// - Returns: nil if it does not read like a banner: the kernel has format strings that start with the same words.
    init?(_ text: some Collection<UInt8>) {
        let line = text.prefix { $0 != UInt8(ascii: "\n") && $0 != 0 }
        let release = line.prefix { $0 != UInt8(ascii: " ") }
        guard let first = release.first, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(first),
            release.count < line.count, line.count <= KernelIdentity.maximumLabelLength,
            !line.contains(where: { $0 < 0x20 || $0 == 0x7F }),
            let text = String(validating: line, as: UTF8.self)
        else { return nil }
        self.release = String(decoding: release, as: UTF8.self)
        self.line = text
    }

    /// Whether the build's number is there (`#1`), which the drafts of the kernel's own build lack.
    var isFinal: Bool {
        var rest = line.utf8[...]
        while let mark = rest.firstIndex(of: UInt8(ascii: "#")) {
            rest = rest[rest.index(after: mark)...]
            if let next = rest.first, next != UInt8(ascii: " ") { return true }
        }
        return false
    }

    /// The text of `/proc/version`.
    init?(procVersion text: [UInt8]) {
        guard text.starts(with: Self.prefix) else { return nil }
        self.init(text.dropFirst(Self.prefix.count))
    }
}
