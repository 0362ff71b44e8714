import Glibc
import KHeaderTestSupport
import Testing
import TracingClient

@Suite struct ToolSurveyTests {
    @Test func anEmptyHostHasNothing() throws {
        try withToolHost { host in
            let survey = host.survey()
            #expect(survey.build == .missing && survey.source == .missing && survey.bccCopy.state == .missing)
            #expect(!survey.hasBTF && survey.archive == .absent && survey.variables.isEmpty)
        }
    }

    @Test func theArchiveIsThereOrItsConfigurationTellsWhyNot() throws {
        try withToolHost { host in
            let without = "CONFIG_A=y\n# CONFIG_IKHEADERS is not set\n"
            try host.folder.write(without.utf8, to: "boot/config-\(ToolHost.release)")
            #expect(host.survey().archive == .notBuilt)
            let module = try ShellCommand("gzip", "-c").output(Array("CONFIG_IKHEADERS=m\n".utf8))
            try host.folder.write(module, to: "proc/config.gz")
            #expect(host.survey().archive == .module)
            try host.folder.write([1], to: "sys/kernel/kheaders.tar.xz")
            #expect(host.survey().archive == .present)
        }
    }

    @Test func aDamagedConfigurationTellsNothing() throws {
        try withToolHost { host in
            try host.folder.write([0x1F, 0x8B, 1, 2, 3], to: "proc/config.gz")
            #expect(host.survey().archive == .absent)
        }
    }

    @Test func foldersOfModulesAreLookedAt() throws {
        try withToolHost { host in
            try host.folder.makeFolder(ToolHost.modules)
            symlink("/usr/src/gone", host.folder.path("\(ToolHost.modules)/build"))
            #expect(host.survey().build == .dangling(target: "/usr/src/gone"))
        }
        try withToolHost { host in
            try host.writeSplitModules()
            let survey = host.survey()
            #expect(survey.build == .complete(release: ToolHost.release))
            #expect(survey.source == .complete(release: ToolHost.release))
            #expect(survey.modules.source.hasSuffix("/source") && survey.modules.build.hasSuffix("/build"))
        }
    }

    @Test func variablesAreHeldAgainstWhatTheyName() throws {
        try withToolHost { host in
            try host.writeTree("t", release: "5.10.0-1")
            let tree = host.folder.path("t")
            let variables = host.survey([
                "BCC_KERNEL_SOURCE": tree, "BPFTRACE_KERNEL_SOURCE": "/nonexistent", "BPFTRACE_BTF": "/nonexistent",
                "ARCH": "arm64", "HOME": "/root",
            ]).variables
            #expect(
                variables.map { "\($0.name): \($0.state)" } == [
                    "BCC_KERNEL_SOURCE: headers of 5.10.0-1", "BPFTRACE_KERNEL_SOURCE: not there",
                    "BPFTRACE_BTF: not there, or not for this user to read: bpftrace may crash",
                    "ARCH: bcc and bpftrace look in arch/arm64 for it",
                ])
        }
    }

    @Test func bccsCopyIsBelowTMPDIR() throws {
        try withToolHost { host in
            try host.writeTree("var/tmp/kheaders-\(ToolHost.release)")
            #expect(host.survey().bccCopy.state == .missing)
            let copy = host.survey(["TMPDIR": "/var/tmp"]).bccCopy
            #expect(copy.state == .complete(release: ToolHost.release))
            #expect(copy.isRoots == (geteuid() == 0))
        }
    }
}
