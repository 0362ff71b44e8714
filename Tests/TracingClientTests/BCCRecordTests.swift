import Glibc
import HeaderArchive
import KHeaderTestSupport
import Testing

@testable import PrecompiledHeaders
@testable import TracingClient

/// What the cache remembers of Debian's own bcc.
@Suite struct BCCRecordTests {
    /// A host with a copy of this one's bcc, and this one's compiler.
    private struct Host {
        let folder: TemporaryFolder
        let cache: HeaderCache
        let library: String

        init(_ folder: TemporaryFolder) throws {
            self.folder = folder
            cache = try Self.cache(folder)
            let (path, version) = try #require(BCCLibrary.locate())
            let bytes = try FileSource(path: path).readAll()
            library = try folder.write(bytes, to: "root/usr/lib/libbcc.so.\(version)")
            symlink(library, folder.path("root/usr/lib/libbcc.so.0"))
            let compiler = try #require(try BCCLibrary(path: path, version: version).compilerFile)
            try link(compiler)
        }

        static func cache(_ folder: TemporaryFolder, boot: String = "boot") throws -> HeaderCache {
            HeaderCache(try CacheFolder(folder.path("cache")), bootID: boot)
        }

        func link(_ compiler: String) throws {
            let library = try #require(BCCLibrary.find())
            let place = folder.path("root/usr/lib/\(library.compilerLibrary)")
            unlink(place)
            symlink(compiler, place)
        }

        func tool(_ cache: HeaderCache? = nil) async throws -> PCHTool {
            try await .bcc(root: folder.path("root"), remembering: cache ?? self.cache)
        }

        /// Makes the record say something that no library does, so that it shows whether it counts.
        func mark() throws {
            let text = String(decoding: try folder.read("cache/bcc"), as: UTF8.self)
            let marked = text.replacing(#""package":""#, with: #""package":"remembered "#)
            try #require(marked != text)
            try folder.write(marked.utf8, to: "cache/bcc")
        }

        func counts(_ cache: HeaderCache? = nil) async throws -> Bool {
            guard case .package(let package, _) = try await tool(cache).compiler else { return false }
            return package.hasPrefix("remembered ")
        }
    }

    private static func withHost(_ body: (Host) async throws -> Void) async throws {
        try await withTemporaryFolder { try await body(Host($0)) }
    }

    private static func own(_ tool: PCHTool) throws -> CompilerProfile {
        guard case .own(let profile, let id) = tool.profile else { throw Missing() }
        #expect(profile.id == id)
        return profile
    }

    private struct Missing: Error {}

    @Test func theToolIsTheSameFromTheRecord() async throws {
        try await Self.withHost { host in
            let first = try await host.tool()
            let again = try await host.tool()
            #expect(try Self.own(again) == Self.own(first) && !Self.own(first).headers.isEmpty)
            #expect(again.name == first.name && again.compilerName == first.compilerName)
            #expect(again.ownHeaders == first.ownHeaders && again.mark == first.mark)
            #expect(try await !host.counts())
            try host.mark()
            #expect(try await host.counts())
            // As it is without a cache.
            let plain = try await PCHTool.bcc(root: host.folder.path("root"))
            #expect(try Self.own(plain) == Self.own(first) && plain.compilerName == first.compilerName)
        }
    }

    /// Something that makes the record say nothing any more.
    private static let changes: [@Sendable (Host) throws -> Void] = [
        { host in
            // The same bytes in another file, as a package manager puts them there.
            let bytes = try FileSource(path: host.library).readAll()
            try TemporaryFolder.write(bytes, to: "\(host.library).new")
            rename("\(host.library).new", host.library)
        },
        { host in
            // One byte, with the size and the time that it had.
            let script =
                "touch -r $1 $1.time; printf X | dd of=$1 conv=notrunc bs=1 seek=9 status=none; touch -r $1.time $1"
            try ShellCommand("sh", "-c", script, "sh", host.library).output()
        },
        { host in
            // A release of another name.
            let path = "\(host.library).1"
            rename(host.library, path)
            unlink(host.folder.path("root/usr/lib/libbcc.so.0"))
            symlink(path, host.folder.path("root/usr/lib/libbcc.so.0"))
        },
        // Another build of its compiler.
        { try $0.link("/usr/lib/llvm-16/lib/libclang-cpp.so.16") },
        { truncate($0.folder.path("cache/bcc"), 1000) },
        { truncate($0.folder.path("cache/bcc"), off_t(try $0.folder.read("cache/bcc").count - 1)) },
        { truncate($0.folder.path("cache/bcc"), off_t(try $0.folder.read("cache/bcc").count + 1)) },
        { try $0.folder.write([], to: "cache/bcc") },
        { host in
            let text = String(decoding: try host.folder.read("cache/bcc"), as: UTF8.self)
            try host.folder.write(text.replacing(#""version":1"#, with: #""version":0"#).utf8, to: "cache/bcc")
        },
    ]

    @Test(arguments: changes.indices) func whatHasChangedIsReadAnew(_ index: Int) async throws {
        try await Self.withHost { host in
            _ = try await host.tool()
            try host.mark()
            #expect(try await host.counts())
            try Self.changes[index](host)
            #expect(try await !host.counts())
            // And remembered as it is now.
            try host.mark()
            #expect(try await host.counts())
        }
    }

    @Test func itCountsInItsBootOnly() async throws {
        try await Self.withHost { host in
            _ = try await host.tool()
            try host.mark()
            for boot in ["another boot", ""] {
                try host.mark()
                #expect(try await !host.counts(Host.cache(host.folder, boot: boot)))
            }
        }
    }

    @Test func noBccIsRemembered() async throws {
        try await Self.withHost { host in
            _ = try await host.tool()
            unlink(host.folder.path("root/usr/lib/libbcc.so.0"))
            await #expect(throws: PCHUnavailable.self) { try await host.tool() }
        }
    }
}
