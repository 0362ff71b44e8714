import HostAgent
import KHeaderTestSupport
import KernelHeaders
import Testing

@Suite struct HostIdentityTests {
    private static let machine = "0123456789abcdef0123456789abcdef"
    private static let boot = "7b0f8a52-2a4b-4f0e-9d7c-0b1d3f6a9c11"

    private func identity(
        machine: String? = machine, boot: String? = boot, salt: String = "", at path: String = "etc/machine-id"
    ) throws -> HostIdentity {
        try withTemporaryFolder { folder in
            if let machine { try folder.write("\(machine)\n".utf8, to: path) }
            if let boot { try folder.write("\(boot)\n".utf8, to: "proc/sys/kernel/random/boot_id") }
            return try HostIdentity(root: folder.path(""), salt: salt)
        }
    }

    /// HMAC-SHA-256 by openssl: printf 'kheaderd host\0' | openssl dgst -sha256 -hmac 0123456789abcdef0123456789abcdef
    @Test func theHostIsAKeyedHashOfItsMachineID() throws {
        let expected = try ShellCommand(
            "sh", "-c", "printf 'kheaderd host\\0fleet' | openssl dgst -sha256 -hmac \(Self.machine) -r"
        ).output()
        let identity = try identity(salt: "fleet")
        #expect(String(decoding: expected, as: UTF8.self).hasPrefix("\(identity.host)"))
        #expect(identity.bootID == Self.boot && identity.isLasting)
        #expect("\(identity.host)".contains(Self.machine) == false)
    }

    @Test func otherMachinesAndSaltsAreOtherHosts() throws {
        let one = try identity()
        #expect(try identity().host == one.host)
        #expect(try identity(boot: "another").host == one.host)
        #expect(try identity(salt: "x").host != one.host)
        #expect(try identity(machine: String(Self.machine.reversed())).host != one.host)
        #expect(try identity(at: "var/lib/dbus/machine-id").host == one.host)
    }

    @Test(arguments: [nil, "uninitialized", "", "0123"])
    func withoutAMachineIDAHostIsKnownForItsBootOnly(machine: String?) throws {
        let one = try identity(machine: machine)
        #expect(!one.isLasting)
        #expect(try identity(machine: machine).host == one.host)
        #expect(try identity(machine: machine, boot: "another").host != one.host)
    }

    @Test(arguments: [nil, "", String(repeating: "x", count: Sighting.maximumNameLength + 1)])
    func aBootMustHaveAnID(boot: String?) throws {
        let problem = #expect(throws: Problem.self) { try identity(boot: boot) }
        #expect(problem?.code == .parameterMalformed && problem?.detail.contains("boot_id") == true)
    }
}
