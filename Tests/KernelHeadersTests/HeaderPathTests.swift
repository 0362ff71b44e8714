import FoundationEssentials
import KernelHeaders
import Testing

@Suite struct HeaderPathTests {
    @Test(arguments: [
        ("include/linux/sched.h", "include/linux/sched.h"),
        ("./include/linux/sched.h", "include/linux/sched.h"),
        ("include//linux///sched.h", "include/linux/sched.h"),
        ("include/./linux/././sched.h", "include/linux/sched.h"),
        ("./arch/x86/include/", "arch/x86/include"),
        ("././a", "a"),
        ("..a/b..", "..a/b.."),
        (".../x", ".../x"),
        (".config", ".config"),
        ("a b\\c\td", "a b\\c\td"),
    ])
    func normalises(_ name: String, _ path: String) throws {
        #expect(try HeaderPath(normalising: name.utf8).string == path)
    }

    @Test(arguments: [
        ("", HeaderPath.Flaw.empty), (".", .empty), ("./", .empty), ("././/.", .empty),
        ("/", .absolute), ("/etc/passwd", .absolute), ("//include", .absolute),
        ("..", .parentReference), ("../x", .parentReference), ("include/..", .parentReference),
        ("include/../../x", .parentReference), ("./../x", .parentReference), ("a/./../b", .parentReference),
        ("include\0/x", .containsNUL), ("\0", .containsNUL), ("../\0", .containsNUL),
    ])
    func refuses(_ name: String, _ flaw: HeaderPath.Flaw) {
        #expect(throws: flaw) { try HeaderPath(normalising: name.utf8) }
        #expect(HeaderPath(name) == nil)
    }

    @Test(
        arguments: [
            [0xFF], [0x61, 0x2F, 0xC3], [0xC0, 0xAE, 0xC0, 0xAE, 0x2F], [0xED, 0xA0, 0x80], [0xF5, 0x80, 0x80, 0x80],
        ] as [[UInt8]])
    func refusesBytesThatAreNotUTF8(_ name: [UInt8]) {
        #expect(throws: HeaderPath.Flaw.notUTF8) { try HeaderPath(normalising: name) }
    }

    /// To Swift's `Character`s, a slash and a combining mark are one, and not a slash.
    @Test func aSlashBeforeACombiningMarkIsStillASlash() throws {
        let mark = "\u{301}"
        #expect(throws: HeaderPath.Flaw.parentReference) { try HeaderPath(normalising: "include/../\(mark)x".utf8) }
        #expect(throws: HeaderPath.Flaw.parentReference) { try HeaderPath(normalising: "../\(mark)x".utf8) }
        #expect(throws: HeaderPath.Flaw.absolute) { try HeaderPath(normalising: "/\(mark)x".utf8) }
        let path = try HeaderPath(normalising: "include/\(mark)x/\(mark)y.h".utf8)
        #expect(path.components.map { Array($0.utf8) } == ["include", "\(mark)x", "\(mark)y.h"].map { Array($0.utf8) })
        #expect(path.ancestors.map { Array($0.string.utf8) } == ["include", "include/\(mark)x"].map { Array($0.utf8) })
        let deep = String(repeating: "/\(mark)", count: HeaderPath.maximumDepth)
        #expect(throws: HeaderPath.Flaw.tooDeep) { try HeaderPath(normalising: "a\(deep)".utf8) }
    }

    @Test func namesInOtherNormalFormsAreOtherNames() throws {
        let composed = try #require(HeaderPath("include/caf\u{E9}.h"))
        let decomposed = try #require(HeaderPath("include/cafe\u{301}.h"))
        #expect(composed.string == decomposed.string, "what String thinks of them")
        #expect(composed != decomposed)
        #expect(decomposed < composed)
        #expect(!(composed < decomposed))
        #expect(Set([composed, decomposed]).count == 2)
    }

    @Test func isSortedByBytes() {
        let paths = ["B", "a", "a-b", "a/b", "a/c", "a0", "ab", "\u{E9}", "\u{FFFD}", "\u{1F600}"].compactMap {
            HeaderPath($0)
        }
        #expect(paths.count == 10)
        #expect(paths.shuffled().sorted() == paths)
    }

    @Test func lengthsAndDepthAreLimited() throws {
        let component = String(repeating: "n", count: HeaderPath.maximumComponentLength)
        #expect(HeaderPath(component) != nil)
        #expect(throws: HeaderPath.Flaw.tooLong) { try HeaderPath(normalising: "\(component)n".utf8) }
        #expect(throws: HeaderPath.Flaw.tooLong) { try HeaderPath(normalising: "a/\(component)n/b".utf8) }

        let longest = [component, component, component, String(component.dropLast()), "n"].joined(separator: "/")
        #expect(HeaderPath(longest)?.string.utf8.count == 1024)
        #expect(try HeaderPath(normalising: "./\(longest)".utf8) == HeaderPath(longest))
        #expect(throws: HeaderPath.Flaw.tooLong) { try HeaderPath(normalising: "././\(longest)".utf8) }
        #expect(throws: HeaderPath.Flaw.tooLong) { try HeaderPath(normalising: "\(longest)n".utf8) }
        let slashes = String(repeating: "/", count: HeaderPath.maximumLength)
        #expect(throws: HeaderPath.Flaw.tooLong) { try HeaderPath(normalising: "a\(slashes)".utf8) }

        let deepest = Array(repeating: "d", count: HeaderPath.maximumDepth)
        #expect(HeaderPath(deepest.joined(separator: "/"))?.components.count == HeaderPath.maximumDepth)
        #expect(throws: HeaderPath.Flaw.tooDeep) {
            try HeaderPath(normalising: (deepest + ["d"]).joined(separator: "/").utf8)
        }
    }

    @Test(arguments: ["./a", "a/", "a//b", "a/./b", "/a", ""])
    func isNotMadeFromTextInAnotherForm(_ text: String) { #expect(HeaderPath(text) == nil) }

    @Test func knowsItsFolders() throws {
        let path = try #require(HeaderPath("arch/x86/include/asm/page.h"))
        let folders = ["arch", "arch/x86", "arch/x86/include", "arch/x86/include/asm"]
        #expect(path.ancestors.map(\.string) == folders)
        #expect(path.components == ["arch", "x86", "include", "asm", "page.h"])
        #expect(HeaderPath("page.h")?.ancestors == [])
    }

    @Test func isAStringInJSON() throws {
        let path = try #require(HeaderPath("include/caf\u{E9}.h"))
        let json = try JSONEncoder().encode([path])
        #expect(try JSONDecoder().decode([HeaderPath].self, from: json) == [path])
        for text in ["../x", "/x", "./x", "", "a//b"] {
            let json = try JSONEncoder().encode([text])
            #expect(throws: DecodingError.self) { try JSONDecoder().decode([HeaderPath].self, from: json) }
        }
    }
}
