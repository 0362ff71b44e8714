import HeaderArchive
import KernelHeaders
import Testing

@testable import PrecompiledHeaders

/// Each part of the key is necessary: with just that part changed it is another key.
@Suite struct PCHOrderTests {
    private static let flags = [
        "-target", "{machine}-unknown-linux-gnu", "-O2", "-DA=1", "-DB", "-Iinclude", "-Iinclude/uapi",
    ]

    private static func toolchain(_ version: String = "14.0.6", package: String? = "1", target: String = "x")
        -> Toolchain?
    {
        Toolchain(versionOutput: "clang version \(version)\nTarget: \(target)\n", package: package)
    }

    private static func order(
        tree: String = "tree", machine: String = "x86_64", toolchain: Toolchain? = toolchain(), flags: [String] = flags,
        headers: [String: String] = ["/virtual/a.h": "a"], prologue: String = "p", isFoundByName: Bool = true,
        umbrella: String = "net", includes: [String] = ["linux/a.h", "linux/b.h"]
    ) throws -> PCHOrder {
        PCHOrder(
            tree: SHA256Hash.digest(of: Array(tree.utf8)), architecture: Architecture(machine: machine),
            toolchain: try #require(toolchain),
            profile: CompilerProfile(
                name: "n", flags: flags, headers: headers, prologue: prologue, isFoundByName: isFoundByName),
            umbrella: Umbrella(name: umbrella, headers: includes))
    }

    @Test func everyPartCounts() throws {
        let orders = [
            try Self.order(), try Self.order(tree: "other"), try Self.order(machine: "aarch64"),
            try Self.order(toolchain: Self.toolchain("14.0.7")),
            try Self.order(toolchain: Self.toolchain(package: "2")),
            try Self.order(toolchain: Self.toolchain(package: nil)),
            try Self.order(toolchain: Self.toolchain(target: "y")),
            // One macro more, one less, another value.
            try Self.order(flags: Self.flags + ["-DC"]), try Self.order(flags: Self.flags.filter { $0 != "-DB" }),
            try Self.order(flags: Self.flags.map { $0 == "-DA=1" ? "-DA=2" : $0 }),
            // A flag more, a folder before another.
            try Self.order(flags: Self.flags + ["-fms-extensions"]),
            try Self.order(flags: Array(Self.flags.dropLast(2)) + ["-Iinclude/uapi", "-Iinclude"]),
            try Self.order(headers: [:]), try Self.order(headers: ["/virtual/a.h": "b"]),
            try Self.order(headers: ["/virtual/b.h": "a"]), try Self.order(prologue: "q"),
            try Self.order(isFoundByName: false), try Self.order(umbrella: "fs"),
            try Self.order(includes: ["linux/b.h", "linux/a.h"]), try Self.order(includes: ["linux/a.h"]),
        ]
        #expect(Set(orders.map(\.key)).count == orders.count)
    }

    /// clang does not care, so a server needs not build it twice.
    @Test func theOrderOfMacrosDoesNotCount() throws {
        let swapped = try Self.order(flags: Self.flags.filter { $0 != "-DA=1" } + ["-DA=1"])
        #expect(try swapped.key == Self.order().key)
    }

    /// Of one that is defined twice the last counts, and `-U` takes away what stands before it.
    @Test func theOrderOfMacrosThatMeetCounts() throws {
        for pair in [["-DX=1", "-DX=2"], ["-DX=1", "-UX"]] {
            let one = try Self.order(flags: Self.flags + pair)
            let other = try Self.order(flags: Self.flags + pair.reversed())
            #expect(one.key != other.key)
        }
    }

    /// Texts that could be parted differently.
    @Test func partsDoNotRunTogether() throws {
        let one = try Self.order(flags: ["-Wa", "-Wb"])
        #expect(try one.key != Self.order(flags: ["-Wa\nflag 3 -Wb"]).key)
        #expect(try one.profile.id != Self.order(flags: ["-Wa\nflag 3 -Wb"]).profile.id)
    }

    /// What a profile is called is not what it does.
    @Test func namesOfProfilesDoNotCount() throws {
        let one = CompilerProfile(name: "a", flags: Self.flags)
        #expect(one.id == CompilerProfile(name: "b", flags: Self.flags).id)
    }
}
