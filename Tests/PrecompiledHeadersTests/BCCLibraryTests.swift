import FoundationEssentials
import Glibc
import HeaderArchive
import KHeaderTestSupport
import KernelHeaders
import Testing

@testable import KernelProbe
@testable import PrecompiledHeaders

/// Debian's own bcc, which `make test-deps` installs: what is read out of its library is what it passes its compiler.
@Suite struct BCCLibraryTests {
    private static let file = try? SmallLibrary()

    /// The bytes of the real library, read once.
    private struct SmallLibrary {
        let path: String
        let version: String
        let bytes: [UInt8]

        init() throws {
            let found = try #require(BCCLibrary.locate())
            (path, version) = found
            bytes = try FileSource(path: path).readAll()
        }
    }

    private static func library(_ bytes: [UInt8]) throws -> BCCLibrary {
        try BCCLibrary(SharedLibrary(bytes), path: "libbcc.so", version: "0.26.0")
    }

    private static func installed() throws -> SmallLibrary { try #require(file) }

    private static func cc1(_ text: String) throws -> String {
        try withTemporaryFolder { folder in
            // Complete enough for bcc to start its compiler there.
            try folder.write([], to: "include/linux/kconfig.h")
            let program = try folder.write("import bcc, sys\nbcc.BPF(text=sys.argv[1], debug=4)\n".utf8, to: "p.py")
            let script = "unset ARCH BCC_LINUX_VERSION_CODE; BCC_KERNEL_SOURCE=$1 /usr/bin/python3 $2 \"$3\" 2>&1"
            let output = try ShellCommand("sh", "-c", script, "sh", folder.path, program, text).run().text
            return String(try #require(output.split(separator: "\n").first { $0.hasPrefix("clang -cc1") }))
        }
    }

    /// Each flag is in the line that bcc prints with `debug=4`, and those about headers in the same order.
    @Test func flagsAreThoseThatBccPrints() throws {
        let words = try Self.cc1("int f(void *c) { return 0; }").split(separator: " ").map(String.init)
        let profile = try Self.library(Self.installed().bytes).profile
        let architecture = Architecture(machine: "x86_64")
        var ours: [String] = []
        var flags = profile.flags(for: architecture)[...]
        while let flag = flags.popFirst() {
            let next = flags.first ?? ""
            switch flag {
            case "-isystem", "-include", "-target":
                ours.append("\(flag == "-target" ? "-triple" : flag) \(next)")
                flags = flags.dropFirst()
            case _ where flag.hasPrefix("-I") || flag.hasPrefix("-D"):
                ours.append("\(flag.prefix(2)) \(flag.dropFirst(2))")
            default: ours.append(flag)
            }
        }
        let pairs = zip(words, words.dropFirst()).map { "\($0) \($1)" }
        func theirs(_ prefix: String) -> [String] { pairs.filter { $0.hasPrefix(prefix) } }
        // bcc names the folder that it was started in as well.
        #expect(theirs("-I ").dropFirst() == ours.filter { $0.hasPrefix("-I ") }[...])
        for kind in ["-D ", "-include ", "-isystem ", "-triple "] {
            #expect(theirs(kind) == ours.filter { $0.hasPrefix(kind) })
        }
        // Those of the driver have other names there.
        let renamed = [
            "-nostdinc", "-fno-color-diagnostics", "-fno-unwind-tables", "-fno-asynchronous-unwind-tables",
            "-fno-stack-protector",
        ]
        for flag in ours where !flag.contains(" ") && !renamed.contains(flag) {
            #expect(words.contains(flag), "\(flag)")
        }
        let warnings = words.filter { $0.hasPrefix("-W") || $0.hasPrefix("-O") || $0 == "-fno-jump-tables" }
        #expect(Set(warnings).isSubset(of: ours))
        #expect(!words.contains("-stack-protector") && !words.contains { $0.hasPrefix("-funwind-tables") })
    }

    @Test func headersAreBccsOwnByteForByte() throws {
        let profile = try Self.library(Self.installed().bytes).profile
        #expect(
            Set(profile.headers.keys) == [
                "/virtual/include/bcc/bpf.h", "/virtual/include/bcc/bpf_workaround.h",
                "/virtual/include/bcc/helpers.h", "/virtual/include/bcc/proto.h",
                "/virtual/lib/clang/include/stdarg.h",
            ])
        // bcc's own repository begins each with a line end after its R"********(.
        for (path, text) in profile.headers {
            #expect(text.hasPrefix("\n/*") || text.hasPrefix("\n#ifndef"), "\(path)")
            #expect(text.hasSuffix("\n"), "\(path)")
        }
        #expect(profile.headers["/virtual/include/bcc/bpf_workaround.h"]?.utf8.count == 220)
        #expect(profile.headers["/virtual/include/bcc/helpers.h"]?.contains("#define BPF_ARRAY") == true)
        #expect(profile.prologue.hasPrefix("#if defined(BPF_LICENSE)\n#error"))
        #expect(profile.prologue.hasSuffix("#endif\n") && profile.isFoundByName)
        try profile.check()
    }

    @Test func itsClangIsNamedByThePackageOfTheLibrary() async throws {
        let library = try #require(BCCLibrary.find())
        #expect(library.profile.name == "bcc-\(library.version)")
        let package = try #require(await library.clangPackage())
        // The program out of the same source has the same version.
        let major = try #require(library.clangMajor)
        let query = try ShellCommand("dpkg-query", "-W", "-f", "${Version}", "libclang-cpp\(major)").output()
        #expect(package == String(decoding: query, as: UTF8.self))
    }

    /// A bcc that passes more is another profile: options are told by their beginnings, wherever the compiler put them.
    @Test func flagsOfOtherReleasesAreThoseThatTheirLibraryHas() throws {
        var bytes = try Self.installed().bytes
        let before = try Self.library(bytes).profile
        // In place of a text that is of no matter here, as instructions have them: in pieces of eight bytes.
        for (text, place) in [("-fms-ext", "/sys/bus"), ("-DCONFIG", "/sys/ker")] {
            let found = Self.place(of: place, in: bytes)
            let start = try #require(found)
            bytes.replaceSubrange(start..<start + 8, with: text.utf8)
        }
        let after = try Self.library(bytes).profile
        #expect(Set(after.flags).subtracting(before.flags) == ["-fms-extensions", "-DCONFIG_CC_IS_CLANG"])
        #expect(after.id != before.id)
    }

    private static func place(of text: String, in bytes: [UInt8], from start: Int = 0) -> Int? {
        let wanted = Array(text.utf8)
        return bytes.withUnsafeBytes { all in
            var start = start
            while start + wanted.count <= all.count, let base = all.baseAddress,
                let place = memchr(base + start, CInt(wanted[0]), all.count - start - wanted.count + 1)
            {
                start = UnsafeRawPointer(place) - base
                if memcmp(place, wanted, wanted.count) == 0 { return start }
                start += 1
            }
            return nil
        }
    }

    /// What is not known is not guessed.
    @Test(arguments: [
        ("#ifndef __BCC_PROTO_H", "#ifndef __BCC_PROTO_X", "proto.h was not found"),
        ("#if defined(BPF_LICENSE)", "#if defined(BPF_LICENCE)", "before programs was not found"),
        ("\0-fno-jump-tables\0", "\0-fno-jump-tablet\0", "-fno-jump-tablet, which is not known"),
        ("/virtual/include/bcc/footer.h", "/virtual/include/bcc/feeter.h", "/virtual/include/bcc/feeter.h"),
        ("libclang-cpp.so", "libklang-cpp.so", "which clang it has inside"),
        ("-nostdin", "-nostdim", "does not pass its compiler -nostdinc"),
    ])
    func anotherShapeIsRefusedWithItsReason(_ old: String, _ new: String, _ reason: String) throws {
        var bytes = try Self.installed().bytes
        // All of them: names are in several tables.
        var from = 0
        while let start = Self.place(of: old, in: bytes, from: from) {
            from = start + old.utf8.count
            bytes.replaceSubrange(start..<from, with: new.utf8)
        }
        let error = #expect(throws: BCCLibrary.Unusable.self) { _ = try Self.library(bytes) }
        #expect(error?.description.contains(reason) == true, "\(error?.description ?? "")")
    }

    /// A string without its end is none.
    @Test func aHeaderThatDoesNotEndIsRefused() throws {
        let bytes = try Self.installed().bytes
        let library = try SharedLibrary(bytes)
        var damaged = bytes
        let found = Self.place(of: "#ifndef __BPF_HELPERS_H\n", in: bytes)
        let start = try #require(found)
        for index in start..<library.constants.upperBound where damaged[index] == 0 { damaged[index] = 1 }
        #expect(throws: BCCLibrary.Unusable.self) { _ = try Self.library(damaged) }
    }

    @Test func whatIsNoLibraryIsRefused() throws {
        try withTemporaryFolder { folder in
            let path = try folder.write("not a library".utf8, to: "usr/lib/libbcc.so.1.0.0")
            symlink(path, folder.path("usr/lib/libbcc.so.0"))
            #expect(BCCLibrary.find(root: folder.path) == nil)
            let located = try #require(BCCLibrary.locate(root: folder.path))
            #expect(located.path == path && located.version == "1.0.0")
            let error = #expect(throws: BCCLibrary.Unusable.self) {
                _ = try BCCLibrary(path: path, version: "1.0.0")
            }
            #expect(error?.description == "\(path) is not used: This is not an ELF file.")
            #expect(throws: BCCLibrary.Unusable.self) {
                _ = try BCCLibrary(path: folder.path, version: "1.0.0")
            }
            #expect(BCCLibrary.find(root: folder.path("usr")) == nil)
        }
    }

    /// Of several the one that the loader gives programs: it goes by its configuration, not by versions.
    @Test func theLoadersOrderCounts() throws {
        try withTemporaryFolder { folder in
            for (place, version) in [
                ("usr/lib", "0.35.0"), ("usr/local/lib", "0.26.0"), ("opt/bcc", "0.9.0"), ("opt/more", "0.1"),
            ] {
                try folder.write([1], to: "\(place)/libbcc.so.\(version)")
                symlink("libbcc.so.\(version)", folder.path("\(place)/libbcc.so.0"))
            }
            func version() -> String? { BCCLibrary.locate(root: folder.path)?.version }
            #expect(version() == "0.35.0")
            try folder.write("# ours\ninclude ld.so.conf.d/*.conf\n".utf8, to: "etc/ld.so.conf")
            try folder.write("/nowhere /usr/local/lib # not /opt/bcc\n".utf8, to: "etc/ld.so.conf.d/b.conf")
            #expect(version() == "0.26.0")
            try folder.write("hwcap 1 /opt/more\n/opt/bcc\n".utf8, to: "etc/ld.so.conf.d/a.conf")
            #expect(version() == "0.9.0")
            // One that includes itself ends.
            try folder.write("include /etc/ld.so.conf\n/opt/more".utf8, to: "etc/ld.so.conf.d/0.conf")
            #expect(version() == "0.1")
        }
    }

    /// The loader itself is asked.
    @Test func itIsTheOneThatProgramsGet() throws {
        let script = "import ctypes; ctypes.CDLL('libbcc.so.0'); print(open('/proc/self/maps').read())"
        let maps = String(decoding: try ShellCommand("/usr/bin/python3", "-c", script).output(), as: UTF8.self)
        #expect(maps.contains(try Self.installed().path + "\n"))
    }

    /// Cut short anywhere, or with bytes changed where its tables are: an answer or an error, never a crash.
    @Test(arguments: 0..<8) func damagedLibrariesNeverCrash(_ seed: Int) throws {
        let bytes = try Self.installed().bytes
        var generator = SeededGenerator(seed: UInt64(seed))
        for _ in 0..<8 {
            let end = Int.random(in: 0..<bytes.count, using: &generator)
            _ = try? Self.library(Array(bytes[..<end]))
        }
        for _ in 0..<8 {
            var changed = bytes
            let regions = [0..<64, bytes.count - 2000..<bytes.count, 0x33_5788..<0x33_59d8, 0..<bytes.count]
            for _ in 0..<Int.random(in: 1...40, using: &generator) {
                let region = try #require(regions.randomElement(using: &generator))
                let index = Int.random(in: region.clamped(to: 0..<bytes.count), using: &generator)
                changed[index] = UInt8.random(in: 0...255, using: &generator)
            }
            _ = try? Self.library(changed)
        }
    }
}
