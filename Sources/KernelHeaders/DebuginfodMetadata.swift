/// What debuginfod's clients get from `/metadata` (elfutils, `debuginfod(8)`; extra members are allowed there).
public struct DebuginfodMetadata: Codable, Sendable, Equatable {
    public var results: [Result]
    /// False if there is more than the answer has.
    public var complete: Bool

    /// Something that can be had of a kernel.
    public struct Result: Codable, Sendable, Equatable {
        /// `headers` or `btf`. Never `executable` or `debuginfo`, which this server has not got.
        public var type: String
        public var buildid: BuildID
        /// Where the kernel's own host has it: `/lib/modules/RELEASE/build`, `/sys/kernel/btf/vmlinux`. Nil if the release is
        /// not known.
        public var file: String?

        public init(type: String, buildid: BuildID, file: String?) {
            self.type = type
            self.buildid = buildid
            self.file = file
        }
    }

    public init(results: [Result], complete: Bool) {
        self.results = results
        self.complete = complete
    }
}
