internal import Glibc
internal import HeaderArchive

extension SmallKernel {
    /// A link of a real tree, and the only one.
    public static let linkPath = "include/dt-bindings/input/linux-event-codes.h"
    /// The file of 1.5 MB.
    public static let largePath = "include/linux/mlx5/mlx5_ifc.h"
    /// 168 bytes: too long for a tar's name field, not for its prefix.
    public static let longPath = "include/linux/" + String(repeating: "platform_data_of_devices/", count: 6) + "x.h"
    /// 466 bytes: too long for any field.
    public static let veryLongPath =
        "include/linux/" + String(repeating: "d", count: 240) + "/"
        + String(repeating: "f", count: 208) + ".h"

    private static let plain = """
        acpi/acpi.h asm-generic/atomic.h asm-generic/barrier.h asm-generic/bitops.h asm-generic/errno.h \
        clocksource/timer.h crypto/hash.h drm/drm_mm.h linux/bpf.h linux/compiler.h linux/compiler_types.h \
        linux/device.h linux/errno.h linux/fs.h linux/init.h linux/kernel.h linux/list.h linux/mm.h linux/module.h \
        linux/mutex.h linux/netdevice.h linux/perf_event.h linux/ptrace.h linux/rcupdate.h linux/sched.h \
        linux/sched/signal.h linux/sched/task.h linux/skbuff.h linux/slab.h linux/spinlock.h linux/string.h \
        linux/tracepoint.h linux/types.h linux/uaccess.h linux/workqueue.h net/sock.h net/tcp.h \
        trace/events/sched.h uapi/asm-generic/types.h uapi/linux/bpf.h uapi/linux/input-event-codes.h \
        uapi/linux/ptrace.h uapi/linux/types.h
        """

    private static let architecture = """
        asm/cpufeatures.h asm/page.h asm/processor.h asm/ptrace.h asm/thread_info.h uapi/asm/ptrace.h \
        uapi/asm/unistd.h generated/uapi/asm/unistd_64.h generated/asm/syscalls_64.h
        """

    /// Made by the build: a line that includes the file of the same name in `asm-generic`.
    private static let wrappers = [
        "asm/early_ioremap", "asm/mmiowb", "asm/rwonce", "asm/unaligned", "uapi/asm/errno", "uapi/asm/fcntl",
        "uapi/asm/ioctl", "uapi/asm/types",
    ]

    static func contents(release: String, revision: Int, hasLargeFile: Bool) -> [String: Contents] {
        var texts: [String: String] = [:]
        for name in words(plain) { texts["include/\(name)"] = header(name) }
        for name in words(architecture) { texts["arch/x86/include/\(name)"] = header(name) }
        for name in wrappers {
            let last = String(decoding: name.utf8.split(separator: UInt8(ascii: "/")).last ?? [], as: UTF8.self)
            texts["arch/x86/include/generated/\(name).h"] = "#include <asm-generic/\(last).h>\n"
        }
        // Equal contents under two paths.
        texts["arch/x86/include/generated/asm/early_ioremap.h"] = texts["arch/x86/include/generated/asm/mmiowb.h"]
        texts["include/linux/platform_data/empty.h"] = ""
        texts["arch/x86/include/asm/empty.h"] = ""
        texts[longPath] = header(longPath)
        texts[veryLongPath] = header(veryLongPath)
        for name in ["linux/sched.h", "linux/mm.h"] {
            texts["include/\(name)", default: ""] += "/* Changed in revision \(revision). */\n"
        }
        texts.merge(configuration(release: release, revision: revision)) { $1 }

        var entries = texts.mapValues { Contents.file(Array($0.utf8), executable: false) }
        entries["include/linux/soc/executable.h"] = .file(Array(header("soc").utf8), executable: true)
        entries[linkPath] = .link("../../uapi/linux/input-event-codes.h")
        if hasLargeFile { entries[largePath] = .file(largeFile, executable: false) }
        return entries
    }

    /// What the build makes of the configuration and the version.
    private static func configuration(release: String, revision: Int) -> [String: String] {
        let numbers =
            release.utf8.prefix { $0 != UInt8(ascii: "-") }.split(separator: UInt8(ascii: "."))
            .map { Int(String(decoding: Array($0), as: UTF8.self)) ?? 0 } + [0, 0, 0]
        let code = numbers[0] << 16 + numbers[1] << 8 + min(numbers[2], 255)
        return [
            "include/linux/kconfig.h": """
            /* SPDX-License-Identifier: GPL-2.0 */
            #ifndef __LINUX_KCONFIG_H
            #define __LINUX_KCONFIG_H
            #include <generated/autoconf.h>
            #define __ARG_PLACEHOLDER_1 0,
            #define __take_second_arg(__ignored, val, ...) val
            #define IS_ENABLED(option) __or(IS_BUILTIN(option), IS_MODULE(option))
            #endif

            """,
            "include/generated/autoconf.h": """
            /* Automatically generated file; DO NOT EDIT. Linux/x86 \(release), build \(revision) */
            #define CONFIG_64BIT 1
            #define CONFIG_X86_64 1
            #define CONFIG_X86 1
            #define CONFIG_BPF_SYSCALL 1
            #define CONFIG_IKHEADERS_MODULE 1
            #define CONFIG_HZ 250

            """,
            "include/generated/utsrelease.h": "#define UTS_RELEASE \"\(release)\"\n",
            "include/generated/compile.h": """
            #define UTS_MACHINE "x86_64"
            #define LINUX_COMPILE_BY "builder-\(revision)"
            #define LINUX_COMPILER "gcc-12 (Debian 12.2.0-14) 12.2.0"

            """,
            "include/generated/bounds.h": "#define NR_PAGEFLAGS 25\n#define MAX_NR_ZONES 5\n",
            "include/generated/uapi/linux/version.h": """
            #define LINUX_VERSION_CODE \(code)
            #define KERNEL_VERSION(a,b,c) (((a) << 16) + ((b) << 8) + ((c) > 255 ? 255 : (c)))

            """,
        ]
    }

    private static func words(_ text: String) -> [String] {
        text.utf8.split(separator: UInt8(ascii: " ")).map { String(decoding: Array($0), as: UTF8.self) }
    }

    /// Something that reads, and compresses, like a header: 10 to 70 lines that follow from its name.
    private static func header(_ name: String) -> String {
        var random = SeededGenerator(seed: name)
        let guardName =
            "_"
            + String(
                name.uppercased().utf8.suffix(60).map { byte -> Character in
                    let isWord = (65...90).contains(byte) || (48...57).contains(byte)
                    return isWord ? Character(Unicode.Scalar(byte)) : "_"
                })
        var text = "/* SPDX-License-Identifier: GPL-2.0 */\n#ifndef \(guardName)\n#define \(guardName)\n\n"
        let types = ["int", "unsigned long", "struct device *", "u64", "bool", "void *"]
        let verbs = ["get", "put", "init", "register", "lock", "wake", "alloc", "free"]
        for _ in 0..<(6 + Int.random(in: 0...60, using: &random)) {
            let type = types[Int.random(in: types.indices, using: &random)]
            let verb = verbs[Int.random(in: verbs.indices, using: &random)]
            text +=
                "\(type) \(verb)_\(UInt16.random(in: 0...9999, using: &random))(\(type) value, unsigned int flags);\n"
        }
        return text + "\n#endif /* \(guardName) */\n"
    }

    /// Lines that differ in their numbers, as the tables of registers do that are the largest headers there are.
    private static let largeFile: [UInt8] = {
        var random = SeededGenerator(seed: largePath)
        var bytes: [UInt8] = []
        bytes.reserveCapacity(1_600_000)
        while bytes.count < 1_500_000 {
            bytes += "\tu8 reserved_at_\(bytes.count)[0x\(String(random.next() % 0x4000, radix: 16))];\n".utf8
        }
        return bytes
    }()

    func makeLink(_ path: String, to target: String) throws {
        let bytes = Array(path.utf8)
        let slash = bytes.lastIndex(of: UInt8(ascii: "/")) ?? 0
        try TemporaryFolder.makeFolders(String(decoding: bytes[..<slash], as: UTF8.self))
        try SystemCallError.check("symlink", path) { symlink(target, path) }
    }
}
