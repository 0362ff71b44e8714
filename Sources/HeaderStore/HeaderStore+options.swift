internal import Glibc
public import HeaderArchive

extension HeaderStore {
    /// What an operator may set.
    public struct Options: Sendable {
        public var limits = ArchiveLimits.standard
        /// Bytes that a kernel's BTF may have. Those of distributions' kernels have 4 to 8 MB.
        public var btfBytes = 64 << 20
        /// Bytes of bundles that are kept on disk.
        public var bundleBytes = 4 << 30
        /// Bytes of PCHs that are kept on disk, compressed forms included.
        public var pchBytes = 4 << 30
        /// After how many seconds a PCH whose build failed is tried again.
        public var pchRetrySeconds = 3600
        /// Bytes a second that the verify in the background reads; 0 for none. Whoever has the store runs it:
        /// ``HeaderStore/verifyForEver()``.
        public var verifyBytesPerSecond = 0
        /// How long after a round of it the next one begins, in seconds.
        public var verifySeconds = 7 * 86400
        /// How long after the last upload the server compresses again, as tightly as pays, what came in fast, in seconds; 0
        /// for not by itself. Whoever has the store runs it: ``HeaderStore/repackForEver()``.
        public var repackSeconds = 0
        /// What the disk has free, in bytes; nil to ask the file system.
        public var freeBytes: (@Sendable () throws -> Int)?
        /// How long a host's claim to upload is good without a byte arriving, in seconds.
        public var claimSeconds = 120
        /// Other hosts whose digests make one host's word for a kernel's headers an agreed one.
        public var opinions = 2
        /// How long the time of a report that says nothing new may be in memory alone, in seconds.
        public var flushSeconds = 5
        /// How many hosts' times may be so.
        var maximumTimes = 8192
        /// How much is remembered of hosts.
        public var hosts = HostRules()
        /// Which kernels a server keeps.
        public var retention = RetentionRules()
        /// Seconds since 1970.
        public var now: @Sendable () -> Int = { time(nil) }
        /// Seconds of a clock that nobody sets, for what expires.
        public var uptime: @Sendable () -> Int = {
            var time = timespec()
            clock_gettime(CLOCK_BOOTTIME, &time)
            return time.tv_sec
        }
        /// The calls by which the store changes its folder.
        public var files: any FileSystem = PosixFileSystem()

        public init() {}
    }
}
