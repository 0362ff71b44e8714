internal import KernelHeaders

/// What a tree says of its kernel: the release, in `include/generated/utsrelease.h`, and whether it is 64-bit, in
/// `include/generated/autoconf.h`.
struct TreeLabels {
    private static let releaseFile = "include/generated/utsrelease.h"
    private static let configurationFile = "include/generated/autoconf.h"
    /// `autoconf.h` has about 250 kB. Of a larger file the rest is not looked at.
    private static let maximumBytes = 2 << 20

    private var current: String?
    private var contents: [UInt8] = []
    private var releaseText: [UInt8] = []
    private(set) var is64Bit = false

    mutating func begin(_ path: HeaderPath) {
        current = [Self.releaseFile, Self.configurationFile].first { $0 == path.string }
        contents = []
    }

    mutating func append(_ bytes: UnsafeRawBufferPointer) {
        guard current != nil else { return }
        contents.append(contentsOf: bytes.prefix(Self.maximumBytes - contents.count))
    }

    mutating func end() {
        if current == Self.releaseFile { releaseText = contents }
        if current == Self.configurationFile { is64Bit = Self.defines(contents, "CONFIG_64BIT") }
        current = nil
        contents = []
    }

    /// The text of `#define UTS_RELEASE "6.1.0-56-amd64"`, or nil.
    var release: String? {
        for line in releaseText.split(separator: UInt8(ascii: "\n")) {
            let text = String(decoding: line, as: UTF8.self)
            guard text.hasPrefix("#define UTS_RELEASE"), let start = text.firstIndex(of: "\""),
                let end = text.lastIndex(of: "\""), start < end
            else { continue }
            let release = String(text[text.index(after: start)..<end])
            // A tree may say anything; what is no label is none, as in a request.
            let isClean = release.unicodeScalars.allSatisfy { $0.value >= 0x20 && !(0x7F..<0xA0).contains($0.value) }
            return isClean && release.utf8.count <= KernelIdentity.maximumLabelLength ? release : nil
        }
        return nil
    }

    /// The architecture of a tree: of the folders under `arch/`, the one with generated headers or the only one.
    func architecture(of manifest: TreeManifest) -> Architecture? {
        var all: Set<String> = []
        var generated: Set<String> = []
        for entry in manifest.entries where entry.path.string.hasPrefix("arch/") {
            let parts = entry.path.components
            guard parts.count > 3, parts[2] == "include" else { continue }
            all.insert(parts[1])
            if parts[3] == "generated" { generated.insert(parts[1]) }
        }
        let candidates = generated.count == 1 ? generated : all
        guard let folder = candidates.first, candidates.count == 1 else { return nil }
        return Architecture(sourceFolder: folder, is64Bit: is64Bit)
    }

    private static func defines(_ text: [UInt8], _ name: String) -> Bool {
        text.split(separator: UInt8(ascii: "\n")).contains { $0.starts(with: "#define \(name) 1".utf8) }
    }
}
