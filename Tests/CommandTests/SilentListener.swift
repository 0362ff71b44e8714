import Glibc
import HeaderArchive

/// A port on 127.0.0.1 where connections are taken, by the kernel's backlog, and nobody ever says a word.
final class SilentListener: Sendable {
    let port: UInt16
    private let descriptor: CInt

    init() throws {
        descriptor = try SystemCallError.check("socket", nil) { socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let descriptor = descriptor
        try withUnsafeMutablePointer(to: &address) { pointer in
            try pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                try SystemCallError.check("bind", nil) { bind(descriptor, address, length) }
                try SystemCallError.check("getsockname", nil) { getsockname(descriptor, address, &length) }
            }
        }
        port = UInt16(bigEndian: address.sin_port)
        try SystemCallError.check("listen", nil) { listen(descriptor, 8) }
    }

    deinit { close(descriptor) }
}
