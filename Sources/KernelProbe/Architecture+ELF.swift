internal import KernelHeaders

extension Architecture {
    /// The machine of an ELF header, as `uname -m` names it on a kernel built so.
    ///
    /// - Returns: nil for a machine that has no Linux, or none known here. The numbers are `EM_…` of the kernel's
    ///   `include/uapi/linux/elf-em.h` and its `arch/*/include/asm/elf.h`.
    init?(elfMachine: UInt16, is64Bit: Bool, isBigEndian: Bool) {
        let name: String
        switch elfMachine {
        case 2: name = "sparc"
        case 3: name = "i686"
        case 4: name = "m68k"
        case 8: name = is64Bit ? "mips64" : "mips"
        case 15: name = is64Bit ? "parisc64" : "parisc"
        case 20: name = isBigEndian ? "ppc" : "ppcle"
        case 21: name = isBigEndian ? "ppc64" : "ppc64le"
        case 22: name = is64Bit ? "s390x" : "s390"
        // `uname -m` adds the CPU's version (armv7l), which the file does not tell.
        case 40: name = "arm"
        case 42: name = "sh4"
        case 43: name = "sparc64"
        case 62: name = "x86_64"
        case 92: name = "openrisc"
        case 93, 195: name = "arc"
        case 94: name = "xtensa"
        case 113: name = "nios2"
        case 164: name = "hexagon"
        case 183: name = isBigEndian ? "aarch64_be" : "aarch64"
        case 189: name = "microblaze"
        case 243: name = is64Bit ? "riscv64" : "riscv32"
        case 252: name = "csky"
        case 258: name = is64Bit ? "loongarch64" : "loongarch32"
        case 0x9026: name = "alpha"
        default: return nil
        }
        self.init(machine: name)
    }
}
