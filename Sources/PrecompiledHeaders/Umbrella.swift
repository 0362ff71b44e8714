/// The headers that are precompiled together. Time and bytes follow their number, so they come in sizes.
public struct Umbrella: Codable, Hashable, Sendable {
    /// A few lower-case letters, digits and hyphens.
    public let name: String
    /// As programs include them, in the order in which they are compiled: `linux/sched.h`. Those that a kernel does not have
    /// are left out of its PCH.
    public let headers: [String]

    public init(name: String, headers: [String]) {
        self.name = name
        self.headers = headers
    }

    /// What bcc's own tools include, by subject: `uapi/linux/ptrace.h` in most of them.
    public static let sched = Umbrella(
        name: "sched", headers: ["uapi/linux/ptrace.h", "linux/types.h", "linux/sched.h", "uapi/linux/limits.h"])
    public static let sock = Umbrella(
        name: "sock",
        headers: sched.headers + ["linux/socket.h", "net/sock.h", "net/inet_sock.h", "bcc/proto.h"])
    public static let net = Umbrella(
        name: "net",
        headers: sock.headers + [
            "linux/skbuff.h", "linux/tcp.h", "net/tcp.h", "uapi/linux/ip.h", "uapi/linux/tcp.h", "uapi/linux/udp.h",
            "uapi/linux/if_ether.h",
        ])
    public static let block = Umbrella(
        name: "block",
        headers: sched.headers + ["linux/fs.h", "linux/bio.h", "linux/blk_types.h", "linux/blkdev.h", "linux/blk-mq.h"])
    public static let fs = Umbrella(
        name: "fs",
        headers: sched.headers + ["linux/fs.h", "linux/dcache.h", "linux/mount.h", "linux/path.h", "linux/uio.h"])
    public static let all = Umbrella(
        name: "all",
        headers: [net, block, fs].flatMap(\.headers).reduce(into: []) { if !$0.contains($1) { $0.append($1) } } + [
            "linux/nsproxy.h", "linux/pid_namespace.h", "linux/mm.h", "linux/interrupt.h", "linux/bpf.h",
        ])

    /// Smallest first.
    public static let standard = [sched, fs, block, sock, net, all]

    /// Whether a text can name an umbrella.
    public static func isName(_ text: String) -> Bool {
        (1...32).contains(text.utf8.count)
            && text.utf8.allSatisfy {
                (UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0)
                    || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0)
                    || $0 == UInt8(ascii: "-")
            }
    }
}
