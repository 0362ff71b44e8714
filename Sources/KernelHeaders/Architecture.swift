/// A kernel's architecture, named as `uname -m` names the machine, and the folder its headers are in.
public struct Architecture: Hashable, Sendable, CustomStringConvertible {
    /// As `uname -m` prints it: `x86_64`, `aarch64`. Of a tree that does not tell 32 from 64 bits, the folder's name.
    public let machine: String

    public init(machine: String) { self.machine = machine }

    /// The kernel's `SRCARCH`: the folder under `arch/` that has this machine's headers. The table is bcc's and
    /// bpftrace's (their `ArchHelper` and `get_arch`), which follow the kernel's `scripts/subarch.include`.
    public var sourceFolder: String {
        switch machine {
        case "x86_64", "i386", "i486", "i586", "i686": "x86"
        case "aarch64", "aarch64_be", "arm64": "arm64"
        case let name where name.hasPrefix("arm") || name == "sa110": "arm"
        case "s390x": "s390"
        case let name where name.hasPrefix("ppc") || name.hasPrefix("powerpc"): "powerpc"
        case let name where name.hasPrefix("mips"): "mips"
        case let name where name.hasPrefix("riscv"): "riscv"
        case let name where name.hasPrefix("loongarch"): "loongarch"
        case let name where name.hasPrefix("sh"): "sh"
        case "parisc64": "parisc"
        case "sparc64": "sparc"
        default: machine
        }
    }

    /// From what a tree shows: the folder under `arch/`, and whether its `autoconf.h` says `CONFIG_64BIT`.
    public init(sourceFolder: String, is64Bit: Bool) {
        machine =
            switch (sourceFolder, is64Bit) {
            case ("x86", true): "x86_64"
            case ("x86", false): "i686"
            case ("arm64", _): "aarch64"
            case ("s390", true): "s390x"
            case ("powerpc", true): "ppc64"
            case ("powerpc", false): "ppc"
            case ("mips", true): "mips64"
            case ("riscv", true): "riscv64"
            case ("riscv", false): "riscv32"
            case ("loongarch", true): "loongarch64"
            case ("parisc", true): "parisc64"
            case ("sparc", true): "sparc64"
            default: sourceFolder
            }
    }

    public var description: String { machine }
}

extension Architecture: Codable {
    public init(from decoder: any Decoder) throws {
        machine = try decoder.singleValueContainer().decode(String.self)
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(machine)
    }
}
