internal import Glibc
internal import HeaderArchive
internal import KHeaderTestSupport
@testable internal import KernelProbe
internal import Testing

/// Privileges belong to processes, so that each test has one of its own.
@Suite struct ProcessPrivilegesTests {
    private static let small = SmallKernel(hasLargeFile: false)

    /// A root that shows the kernel that really runs here, with a module for it that no kernel takes.
    private static func withHost(_ body: (TemporaryFolder) throws -> Void) throws {
        try withTemporaryFolder { root in
            try root.write(try FileSource(path: "/sys/kernel/notes").readAll(), to: "sys/kernel/notes")
            try root.write("\(small.release)\n".utf8, to: "proc/sys/kernel/osrelease")
            try root.write(
                ModuleForge(archive: small.archive()).bytes(),
                to: "lib/modules/\(small.release)/kernel/kernel/kheaders.ko")
            try body(root)
        }
    }

    private static func run(_ root: TemporaryFolder, prefix: [String] = [], input: String = "") throws -> String {
        let command = prefix + [BuiltProgram.path("PrivilegedProcess"), root.path]
        return String(
            decoding: try ShellCommand(command[0], Array(command.dropFirst())).output(Array(input.utf8)), as: UTF8.self)
    }

    private static let asOrdinaryUser = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    private static let isRoot = geteuid() == 0

    @Test(.enabled(if: isRoot, "only root has privileges to drop")) func rootKeepsNone() throws {
        try Self.withHost { root in
            let lines = try Self.run(root).split(separator: "\n")
            for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
                #expect(lines.contains("\(set):\t0000000000000000"))
            }
            #expect(lines.contains("NoNewPrivs:\t1"))
        }
    }

    @Test func anOrdinaryUserLosesNothing() throws {
        try Self.withHost { root in
            chmod(root.path, 0o755)
            let text = try Self.run(root, prefix: Self.isRoot ? Self.asOrdinaryUser : [])
            #expect(text.contains("access: not permitted: This process lacks CAP_SYS_MODULE"))
            #expect(text.contains("NoNewPrivs:\t1"))
        }
    }

    /// The kernel says itself that it does not take it: the file went to it, by the process that has the right.
    @Test(.enabled(if: isRoot, "only root may load modules")) func theKeeperAsksTheKernel() throws {
        try Self.withHost { root in
            let text = try Self.run(root, input: "load\nload\n")
            #expect(text.hasPrefix("access: ready\n"))
            #expect(text.split(separator: "\n").filter { $0.hasPrefix("refused: finit_module: ") }.count == 2)
        }
    }

    @Test(.enabled(if: isRoot, "only root may load modules")) func anotherKernelsRootIsNotLoadedFrom() throws {
        try Self.withHost { root in
            try root.write(NoteRun.kernel(), to: "sys/kernel/notes")
            #expect(try Self.run(root).contains("/sys is not of the kernel that runs here."))
            unlink(root.path("sys/kernel/notes"))
            #expect(try Self.run(root).contains("can't be told"))
        }
    }

    @Test func withoutAModuleOrANeedNothingIsStarted() throws {
        try Self.withHost { root in
            try root.write([0], to: "sys/kernel/kheaders.tar.xz")
            #expect(try Self.run(root).hasPrefix("access: not permitted: The archive was there already"))
            unlink(root.path("sys/kernel/kheaders.tar.xz"))
            try ShellCommand("rm", "-r", root.path("lib")).output()
            #expect(
                try Self.run(root).hasPrefix("access: missing: There is no kheaders.ko in \(root.path)/lib/modules"))
            try ShellCommand("rm", "-r", root.path("proc")).output()
            #expect(try Self.run(root).hasPrefix("access: missing: The kernel's release is not known."))
        }
    }

    /// Whatever ends the agent, the process with the privilege ends with it.
    @Test(.enabled(if: isRoot, "only root may load modules")) func theKeeperEndsWithTheAgent() throws {
        try Self.withHost { root in
            // The keeper has the agent's standard output: it ends when both are gone.
            let script = """
                exec 3<>"$2/fifo"
                { "$1" "$2" <&3 & echo "process $!"; } | {
                    while read -r word value; do
                        case $word in
                            process) process=$value ;;
                            access:) echo "$value" ;;
                            CapEff:) running=yes ;;
                        esac
                        if [ -n "$process" ] && [ -n "$running" ]; then kill -KILL "$process" && running=; fi
                    done
                    echo "both gone"
                }
                """
            mkfifo(root.path("fifo"), 0o600)
            let program = BuiltProgram.path("PrivilegedProcess")
            let result = try ShellCommand("timeout", "60", "bash", "-c", script, "bash", program, root.path).run()
            #expect(result.text == "ready\nboth gone\n")
        }
    }

    /// They belong to threads: dropping them here would leave them to all others of this process.
    @Test func otherThreadsAreNoticed() throws {
        try withoutCapabilities {
            #expect(refusal { try ProcessPrivileges.drop() } == .privilegesKept)
        }
    }
}
