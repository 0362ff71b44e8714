internal import Glibc

/// What a symbolic link says.
package enum SymbolicLink {
    /// The text of a link; nil if there is none at the path. What is not UTF-8 is replaced: it is for messages.
    package static func target(of path: String) -> String? {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(PATH_MAX)) { buffer in
            guard let start = buffer.baseAddress else { return nil }
            let count = readlink(path, start, buffer.count)
            return count < 0 ? nil : String(decoding: buffer.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self)
        }
    }
}
