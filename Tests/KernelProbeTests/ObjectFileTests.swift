import KHeaderTestSupport
import Testing

@testable import KernelProbe

/// Objects of a real compiler.
@Suite struct ObjectFileTests {
    private func object(_ text: String) throws -> ObjectFile {
        try withTemporaryFolder { folder in
            try folder.write(text.utf8, to: "a.c")
            try ShellCommand("clang", "-O2", "-c", folder.path("a.c"), "-o", folder.path("a.o")).output()
            return try ObjectFile(try folder.read("a.o"))
        }
    }

    @Test func otherCodeOrDataIsAnotherObject() throws {
        let one = try object("int f(int a) { return a + 1; } int x = 3;")
        #expect(one.sections.contains { $0.name.elementsEqual(".text".utf8) && !$0.contents.isEmpty })
        let same = try object("int f(int a) { return a + 1; } int x = 3;")
        #expect(one == same)
        for other in [
            "int f(int a) { return a + 2; } int x = 3;", "int f(int a) { return a + 1; } int x = 4;",
            "int g(int a) { return a + 1; } int x = 3;", "int f(int a) { return a + 1; } int x = 3; int y[100];",
        ] {
            let object = try object(other)
            #expect(one != object, "\(other)")
        }
    }

    @Test func whetherDataCanBeWrittenToDoesNotCount() throws {
        let section = "__attribute__((section(\"own\")))"
        let (variable, constant) = (try object("int x \(section) = 3;"), try object("const int x \(section) = 3;"))
        #expect(variable == constant)
    }

    @Test func sizesWithoutBytesCount() throws {
        let (small, large) = (try object("int y[100];"), try object("int y[200];"))
        #expect(small != large)
    }

    @Test func whatIsNoObjectIsRefused() {
        #expect(throws: ProbeError.self) { try ObjectFile(Array("no ELF file at all".utf8)) }
    }
}
