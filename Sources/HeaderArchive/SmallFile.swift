internal import Glibc

/// A file that says a few things of a host or a tree.
public enum SmallFile {
    /// The most bytes read. A distribution's `autoconf.h` has some 300 kB.
    public static let limit = 4 << 20

    /// The contents; nil if there is no such file, it can't be read, or is too large. What is not UTF-8 is replaced.
    public static func text(_ path: String) -> String? {
        bytes(path).map { String(decoding: $0, as: UTF8.self) }
    }

    /// - Parameter limit: the most bytes read.
    public static func bytes(_ path: String, limit: Int = limit) -> [UInt8]? {
        // Without O_NONBLOCK, opening a pipe waits for a writer that may never come.
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        return read(FileSource(borrowing: descriptor), limit)
    }

    /// The first bytes of a file as text; empty if there is no such file.
    public static func prefix(of path: String, bytes count: Int) -> String {
        var bytes: [UInt8] = []
        try? FileSource(path: path).drain { piece in
            bytes.append(contentsOf: piece.prefix(count - bytes.count))
            guard bytes.count < count else { throw TooLarge() }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Unpacked, if it is gzip.
    public static func gzipped(_ path: String) -> String? {
        guard let file = try? FileSource(path: path), let source = try? GzipSource(file), let bytes = read(source)
        else { return nil }
        return String(decoding: bytes, as: UTF8.self)
    }

    private static func read(_ source: some ByteSource, _ limit: Int = limit) -> [UInt8]? {
        var bytes: [UInt8] = []
        do {
            try source.drain { piece in
                guard piece.count <= limit - bytes.count else { throw TooLarge() }
                bytes.append(contentsOf: piece)
            }
        } catch {
            return nil
        }
        return bytes
    }

    private struct TooLarge: Error {}
}
