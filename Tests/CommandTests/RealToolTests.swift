import FoundationEssentials
import Glibc
import KHeaderTestSupport
import Testing

/// A real kernel of the packages in a running server, for all tests of a suite: one import.
private struct RealKernel: SuiteTrait, TestScoping {
    struct Stored: Sendable {
        let id: String
        let folder: TemporaryFolder
        let server: String

        var options: [String] { ["--build-id", id, "--cache", folder.path("cache"), "--server", server] }
        /// `kheader exec …` as words of the shell's.
        var exec: String { ([BuiltProgram.path("kheader"), "exec"] + options + ["--"]).joined(separator: " ") }
        var tree: String { folder.path("cache/headers/\(id)/tree") }
    }

    @TaskLocal static var current: Stored?

    func provideScope(for test: Test, testCase: Test.Case?, performing body: () async throws -> Void) async throws {
        try await withRunningServer { server in
            let id = try await RealPackages.importKernel(to: server)
            try await Self.$current.withValue(
                Stored(id: id, folder: server.folder, server: server.url), operation: body)
        }
    }
}

/// Debian's own tools, on a real kernel's headers out of a running server. Without `kheader exec` each fails on a host that
/// has no headers; where it has some, that half of a test says nothing and is left out.
@Suite(.enabled(if: RealPackages.folder != nil), RealKernel()) struct RealToolTests {
    private let kernel: RealKernel.Stored
    private var folder: TemporaryFolder { kernel.folder }

    init() throws { kernel = try #require(RealKernel.current) }

    /// Without what the tester's own environment says of headers.
    private static func plain(_ script: String, _ arguments: String...) async throws -> ShellCommand.Result {
        let unset = "unset BCC_KERNEL_SOURCE BPFTRACE_KERNEL_SOURCE BPFTRACE_KERNEL_BUILD BPFTRACE_BTF ARCH;"
        let quoted = arguments.map { "'\($0)'" }.joined(separator: " ")
        return try await run(shell: "\(unset) set -- \(quoted); \(script)")
    }

    private static let hostHasHeaders: Bool = {
        var names = utsname()
        guard uname(&names) == 0 else { return false }
        let release = withUnsafeBytes(of: names.release) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        return access("/lib/modules/\(release)/build/include", F_OK) == 0
            || access("/sys/kernel/kheaders.tar.xz", F_OK) == 0 || access("/tmp/kheaders-\(release)", F_OK) == 0
    }()

    private static let isRoot = geteuid() == 0

    // MARK: Compiling

    @Test(.enabled(if: isRoot, "bpftrace runs as root only")) func bpftraceParsesAScriptThatIncludesHeaders()
        async throws
    {
        let script = try folder.write(
            "#include <linux/sched.h>\nBEGIN { printf(\"%d\", sizeof(struct task_struct)); exit(); }\n".utf8,
            to: "script.bt")
        if !Self.hostHasHeaders {
            let without = try await Self.plain("bpftrace -d \"$1\"", script)
            #expect(without.status != 0)
            #expect(without.errors.contains("missing type definitions"), "\(without.errors)")
        }
        let with = try await Self.plain("\(kernel.exec) bpftrace -d \"$1\"", script)
        #expect(with.status == 0, "\(with.errors)")
        #expect(with.text.contains("struct task_struct"))
    }

    @Test func bccCompilesAProgramThatIncludesHeaders() async throws {
        let source = """
            import bcc
            text = "#include <linux/sched.h>\\nint f(void *context) { return sizeof(struct task_struct); }"
            print(len(bcc.BPF(text=text).dump_func("f")) // 8, "instructions")
            """
        let program = try folder.write(source.utf8, to: "program.py")
        if !Self.hostHasHeaders {
            let without = try await Self.plain("/usr/bin/python3 \"$1\"", program)
            #expect(without.status != 0 && without.errors.contains("Failed to compile BPF module"))
        }
        let with = try await Self.plain("\(kernel.exec) /usr/bin/python3 \"$1\"", program)
        #expect(with.status == 0, "\(with.errors)")
        #expect(with.text.contains("instructions"))
    }

    /// The order of the folders, as bcc's own compiler has it (`debug=4` prints its arguments).
    @Test func flagsForBccAreThoseOfBcc() async throws {
        let program = "import bcc; bcc.BPF(text=\"int f(void *c) { return 0; }\", debug=4)"
        let script = try folder.write(program.utf8, to: "flags.py")
        let result = try await Self.plain("\(kernel.exec) /usr/bin/python3 \"$1\" 2>&1", script)
        let line = try #require(result.text.split(separator: "\n").first { $0.hasPrefix("clang -cc1") })
        // Relative ones are the kernel's: bcc changes into the tree.
        let theirs = Self.folders(line.split(separator: " ").map(String.init)).filter { !$0.hasPrefix("/") }
        let flags = try await run("kheader", ["flags", "--for", "bcc", "--format", "json"] + kernel.options)
        let ours = try JSONDecoder().decode([String].self, from: Data(flags.output))
        #expect(theirs.count == 7)
        #expect(Self.folders(ours).map { $0.replacing("\(kernel.tree)/", with: "") } == theirs)
        for macro in ["__KERNEL__", "KBUILD_MODNAME=\"bcc\""] {
            #expect(line.contains(" -D \(macro) ") && ours.contains("-D\(macro)"))
        }
    }

    /// The order of the folders, as bpftrace's libclang looks for a header that is in none.
    @Test(.enabled(if: isRoot, "bpftrace runs as root only")) func flagsForBpftraceAreThoseOfBpftrace() async throws {
        let script = try folder.write("#include <kheader/none.h>\nBEGIN { exit(); }\n".utf8, to: "none.bt")
        let trace = folder.path("trace")
        _ = try await Self.plain(
            "\(kernel.exec) strace -f -e trace=file -o \"$1\" bpftrace -d \"$2\"", trace, script)
        // A missing folder is looked at once, by its own name; this one is missing in all of them.
        var theirs: [String] = []
        for line in String(decoding: try folder.read("trace"), as: UTF8.self).split(separator: "\n") {
            let path = String(line.split(separator: "\"").dropFirst().first ?? "")
            guard path.hasPrefix(kernel.tree) else { continue }
            for name in ["/kheader", "/kheader/none.h"] where path.hasSuffix(name) {
                let place = String(path.dropLast(name.count))
                if !theirs.contains(place) { theirs.append(place) }
            }
        }
        let flags = try await run("kheader", ["flags", "--for", "bpftrace", "--format", "json"] + kernel.options)
        let ours = try JSONDecoder().decode([String].self, from: Data(flags.output))
        #expect(theirs.count == 7 && Self.folders(ours) == theirs)
    }

    /// `-Ifolder` and `-I folder`, without slashes at the end.
    private static func folders(_ arguments: [String]) -> [String] {
        var folders: [String] = []
        for (index, argument) in arguments.enumerated() where argument.hasPrefix("-I") {
            let folder = argument == "-I" ? arguments[index + 1] : String(argument.dropFirst(2))
            folders.append(folder.hasSuffix("/") ? String(folder.dropLast()) : folder)
        }
        return folders
    }

    /// Swift's own clang is there wherever the tests run.
    @Test func clangCompilesBPFWithTheFlags() async throws {
        let source = """
            #include <linux/sched.h>
            int size = sizeof(struct task_struct);
            __attribute__((section("kprobe/f"), used)) int f(void *context) { return size; }
            """
        let file = try folder.write(source.utf8, to: "f.c")
        let script = """
            set -eu; cd "$2"
            clang=$(command -v clang || dirname "$(command -v swift)" | sed 's,$,/clang,')
            "$clang" $3 -O2 -emit-llvm -c "$1" -o f.bc
            "$clang" -target bpf -O2 -Wno-override-module -c f.bc -o f.o
            readelf -h f.o
            """
        let flags = try await run("kheader", ["flags"] + kernel.options)
        let result = try await run(shell: script, file, folder.path, flags.text)
        #expect(result.status == 0 && result.text.contains("BPF"), "\(result.errors)")
        #expect(result.errors.isEmpty)
        let without = try await run(shell: script, file, folder.path, "")
        #expect(without.status != 0)
    }

    // MARK: Attaching

    /// Whether this user may load BPF here, asked of bpftrace itself.
    private static let loadsBPF: Bool = {
        let result = try? ShellCommand("bpftrace", "-e", "BEGIN { printf(\"loaded\"); exit(); }").run()
        return result?.text.contains("loaded") ?? false
    }()

    @Test(.enabled(if: loadsBPF, "the kernel loads no BPF for this user"))
    func bpftraceRunsAProgramThatIncludesHeaders() async throws {
        let script = try folder.write(
            "#include <linux/sched.h>\nBEGIN { printf(\"size %d\\n\", sizeof(struct task_struct)); exit(); }\n"
                .utf8,
            to: "run.bt")
        let result = try await Self.plain("\(kernel.exec) bpftrace \"$1\"", script)
        #expect(result.status == 0, "\(result.errors)")
        // The size is that of the tree, as clang says it.
        let flags = try await run("kheader", ["flags"] + kernel.options)
        let source = "#include <linux/sched.h>\nint size[sizeof(struct task_struct)];\n"
        let file = try folder.write(source.utf8, to: "size.c")
        let size = try await run(
            shell: """
                clang=$(command -v clang || dirname "$(command -v swift)" | sed 's,$,/clang,')
                "$clang" $2 -S -emit-llvm -o - "$1" | sed -n 's/^@size = .*\\[\\([0-9]*\\) x i32\\].*/\\1/p'
                """, file, flags.text)
        #expect(!size.text.isEmpty && result.text.contains("size \(size.text)"), "\(result.text)")
    }

    /// A raw tracepoint, as it needs no tracefs: it counts system calls that this program makes itself.
    @Test(.enabled(if: loadsBPF, "the kernel loads no BPF for this user"))
    func bccCountsWhatItTraces() async throws {
        let program = try folder.write(Self.bccProgram.utf8, to: "count.py")
        let result = try await Self.plain("\(kernel.exec) /usr/bin/python3 \"$1\"", program)
        #expect(result.status == 0, "\(result.errors)")
        let count = result.text.split(separator: " ").last.flatMap { Int($0.dropLast()) }
        #expect((count ?? 0) >= 10, "\(result.text)")
    }

    private static let bccProgram = """
        import bcc, os
        program = bcc.BPF(text='''
        #include <linux/sched.h>
        BPF_ARRAY(counts, u64, 1);
        int on_enter(struct bpf_raw_tracepoint_args *context)
        {
            struct task_struct *task = (struct task_struct *)bpf_get_current_task();
            int zero = 0;
            u64 *count = counts.lookup(&zero);
            if (count && sizeof(*task) > 1000)
                __sync_fetch_and_add(count, 1);
            return 0;
        }
        ''')
        program.attach_raw_tracepoint(tp="sys_enter", fn_name="on_enter")
        for _ in range(10):
            os.getppid()
        print("counted", program["counts"][0].value)
        """
}
