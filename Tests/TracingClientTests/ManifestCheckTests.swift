import KernelHeaders
import PrecompiledHeaders
import Testing

@testable import TracingClient

@Suite struct ManifestCheckTests {
    @Test func anOrdinaryOneIsGood() throws { try ManifestCheck.check(SamplePCH().manifest) }

    private static let hostile: [@Sendable (inout PCHManifest) -> Void] = [
        { $0.stubs.append("../outside.h") }, { $0.stubs.append("include/../../outside.h") },
        { $0.stubs.append("/etc/x.h") },
        { $0.stubs.append("") }, { $0.stubs.append("include//linux/x.h") }, { $0.stubs.append("include/linux/x") },
        { $0.stubs.append("Makefile.h") }, { $0.stubs.append("include/linux/kconfig.h.pch/x.h") },
        { $0.stubs.append("include/\0.h") }, { $0.blocked.append("../outside.h") },
        { $0.stubs = (0..<1_000_000).map { "include/linux/\($0).h" } },
        { $0.headers = (0..<100_000).map { "linux/\($0).h" } },
        { $0.bytes = 0 }, { $0.bytes = -1 }, { $0.bytes = .max },
        { $0.arguments.append("-fplugin=/tmp/evil.so") }, { $0.arguments += ["-Xclang", "-load"] },
        { $0.arguments.append("@/etc/shadow") }, { $0.arguments += ["-o", "/etc/passwd"] },
        { $0.arguments.append("/etc/shadow") },
        { $0.arguments.append("-I{stubs}/../../..") }, { $0.arguments.append("-I/etc") },
        { $0.arguments += ["-include", "/etc/shadow"] },
        { $0.arguments = Array(repeating: "-O2", count: 300) },
    ]

    @Test(arguments: hostile.indices) func aHostileOneIsRefused(_ index: Int) throws {
        var manifest = try SamplePCH().manifest
        Self.hostile[index](&manifest)
        #expect(throws: ManifestCheck.Flaw.self) { try ManifestCheck.check(manifest) }
    }

    @Test func oneThatWasNotAskedForIsRefused() throws {
        let manifest = try SamplePCH().manifest
        let id = try #require(SamplePCH.id)
        let good = PCHRequest(buildID: id, toolchain: manifest.toolchain, profile: "clang-x86", umbrella: "sched")
        try ManifestCheck.check(manifest, for: good)
        var requests = [good, good, good]
        requests[0].umbrella = "net"
        requests[1].profile = "bpf"
        requests[2].toolchain = manifest.digest
        for request in requests {
            #expect(throws: ManifestCheck.Flaw.self) { try ManifestCheck.check(manifest, for: request) }
        }
        var built = manifest
        built.rank = .builder
        #expect(throws: ManifestCheck.Flaw.self) { try ManifestCheck.check(built, for: good) }
        var accepting = good
        accepting.acceptsBuilders = true
        try ManifestCheck.check(built, for: accepting)
    }
}

@Suite struct HeaderCoverageTests {
    @Test func aStubIsCoveredByEachOfItsNames() throws {
        var manifest = try SamplePCH().manifest
        manifest.leftOut = [.init(header: "net/sock.h", reason: "error: no")]
        let coverage = HeaderCoverage(manifest)
        #expect(coverage.covers(["linux/sched.h", "linux/types.h", "uapi/linux/types.h"]))
        #expect(
            coverage.obstacle(to: ["linux/sched.h", "linux/fs.h"]) == "it includes linux/fs.h, which is not in the PCH")
        #expect(
            coverage.obstacle(to: ["net/sock.h"])
                == "it includes net/sock.h, which the PCH of this kernel is without (error: no)")
        // Something else would be found first.
        #expect(!coverage.covers(["asm/page.h"]))
        manifest.blocked = []
        #expect(HeaderCoverage(manifest).covers(["asm/page.h"]))
    }
}

@Suite struct UmbrellaChoiceTests {
    private static func choice(_ headers: [String], _ umbrella: String? = nil) throws -> UmbrellaChoice {
        try UmbrellaChoice(
            .init(headers: headers, umbrella: umbrella), among: Umbrella.standard, ownHeaders: ["own.h": ""])
    }

    @Test(arguments: [
        (["linux/sched.h"], "sched"), (["uapi/linux/ptrace.h", "linux/sched.h"], "sched"),
        (["linux/ptrace.h"], "sched"),
        (["net/sock.h"], "sock"), (["linux/blkdev.h"], "block"), (["linux/fs.h"], "fs"),
        (["net/sock.h", "linux/fs.h"], "all"),
        (["own.h"], "sched"), ([], "all"),
    ])
    func theSmallestThatHasAllIsTaken(_ headers: [String], _ name: String) throws {
        let choice = try Self.choice(headers)
        #expect(choice.umbrella.name == name && choice.obstacle == nil)
    }

    @Test func whatNoUmbrellaNamesMayBeInTheLargest() throws {
        let choice = try Self.choice(["linux/sched.h", "linux/kernel.h"])
        #expect(choice.umbrella.name == "all")
        #expect(choice.obstacle == "it includes linux/kernel.h, which no umbrella names")
    }

    @Test func theUsersChoiceCounts() throws {
        #expect(try Self.choice(["linux/sched.h"], "net").umbrella.name == "net")
        let error = #expect(throws: PCHUnavailable.self) { _ = try Self.choice([], "none") }
        #expect(error?.description.hasPrefix("The server has no umbrella 'none'. It has ") == true)
        #expect(throws: PCHUnavailable.self) { _ = try UmbrellaChoice(.init(), among: [], ownHeaders: [:]) }
    }
}
