import FoundationEssentials
import KernelHeaders
import Testing

@Suite struct ArchitectureTests {
    /// What `uname -m` says, and the kernel's SRCARCH (its Makefile and scripts/subarch.include).
    @Test(arguments: [
        ("x86_64", "x86"), ("i386", "x86"), ("i686", "x86"), ("aarch64", "arm64"), ("aarch64_be", "arm64"),
        ("arm64", "arm64"), ("armv7l", "arm"), ("armv6l", "arm"), ("sa110", "arm"), ("s390x", "s390"),
        ("s390", "s390"), ("ppc64le", "powerpc"), ("ppc64", "powerpc"), ("ppc", "powerpc"), ("mips64", "mips"),
        ("mips", "mips"), ("riscv64", "riscv"), ("riscv32", "riscv"), ("loongarch64", "loongarch"), ("sh4", "sh"),
        ("parisc64", "parisc"), ("parisc", "parisc"), ("sparc64", "sparc"), ("alpha", "alpha"), ("m68k", "m68k"),
    ])
    func knowsTheFolderOfItsHeaders(_ machine: String, _ folder: String) {
        #expect(Architecture(machine: machine).sourceFolder == folder)
    }

    @Test(arguments: [
        ("x86", true, "x86_64"), ("x86", false, "i686"), ("arm64", true, "aarch64"), ("arm", false, "arm"),
        ("s390", true, "s390x"), ("powerpc", true, "ppc64"), ("powerpc", false, "ppc"), ("mips", true, "mips64"),
        ("mips", false, "mips"), ("riscv", true, "riscv64"), ("riscv", false, "riscv32"),
        ("loongarch", true, "loongarch64"), ("sparc", true, "sparc64"), ("parisc", true, "parisc64"),
        ("alpha", true, "alpha"),
    ])
    func isToldFromATree(_ folder: String, _ is64Bit: Bool, _ machine: String) {
        let architecture = Architecture(sourceFolder: folder, is64Bit: is64Bit)
        #expect(architecture.machine == machine)
        #expect(architecture.description == machine)
        #expect(architecture.sourceFolder == folder, "and back")
    }

    @Test func isAStringInJSON() throws {
        let json = try JSONEncoder().encode([Architecture(machine: "x86_64")])
        #expect(String(decoding: json, as: UTF8.self) == #"["x86_64"]"#)
        #expect(try JSONDecoder().decode([Architecture].self, from: json) == [Architecture(machine: "x86_64")])
    }
}
