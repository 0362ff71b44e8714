internal import Glibc
internal import HeaderArchive
internal import KHeaderTestSupport

/// Kernel modules, assembled by the real assembler: no kernel would load them, but their files are what real ones are.
struct ModuleForge {
    /// The first word of `vermagic`; nil for no such text.
    var release: String? = "6.1.0-99-amd64"
    var buildID: [UInt8]? = NoteRun.buildID
    /// What lies between the symbols of `kheaders`; nil for another module.
    var archive: [UInt8]?
    /// The end's symbol before that of the start.
    var isReversed = false
    /// Without any symbols, as no distribution ships modules, but as `strip` can make them.
    var isStripped = false

    /// The object file.
    func bytes() throws -> [UInt8] {
        try withTemporaryFolder { folder in
            var source = ".section .modinfo,\"a\"\n.string \"license=GPL v2\"\n"
            if let release { source += ".string \"vermagic=\(release) SMP preempt mod_unload modversions \"\n" }
            if let archive {
                let path = try folder.write(archive, to: "archive")
                let names = ["kernel_headers_data", "kernel_headers_data_end"]
                source += """
                    .section .rodata,"a"
                    .string "what lies before it"
                    .global \(names[isReversed ? 1 : 0])
                    \(names[isReversed ? 1 : 0]):
                    .incbin "\(path)"
                    .global \(names[isReversed ? 0 : 1])
                    \(names[isReversed ? 0 : 1]):
                    .string "what lies behind it"

                    """
            }
            if let buildID {
                source += ".section .note.gnu.build-id,\"a\",%note\n.long 4, \(buildID.count), 3\n.asciz \"GNU\"\n"
                source += ".byte \(buildID.map { String($0) }.joined(separator: ", "))\n"
            }
            let file = folder.path("module.ko")
            try ShellCommand("as", "-o", file, try folder.write(source.utf8, to: "module.s")).output()
            if isStripped { try ShellCommand("objcopy", "--strip-all", file).output() }
            return try folder.read("module.ko")
        }
    }
}
