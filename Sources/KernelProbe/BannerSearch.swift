internal import Glibc
internal import KernelHeaders

/// Looks for a kernel's banner in parts of a file, a piece at a time.
///
/// Since Linux 6.1 there are two: a draft that the first link step needed (`# SMP …`), and the one that the kernel prints
/// (`#1 SMP …`). The draft is only taken if nothing else is there.
struct BannerSearch {
    private(set) var found: KernelBanner?
    private let bytes: any RandomAccessBytes
    /// Hostile headers may name the whole file thousands of times; a kernel's parts do not overlap.
    private var budget: UInt64

    private static let chunk = 1 << 20
    /// Pieces overlap, so that a banner that starts in one of them is whole in it.
    private static let overlap = KernelBanner.prefix.count + KernelIdentity.maximumLabelLength + 1

    init(_ bytes: any RandomAccessBytes) {
        self.bytes = bytes
        budget = 2 * UInt64(bytes.count)
    }

    /// Searches a part of the file.
    ///
    /// - Returns: false if looking further is of no use.
    /// - Throws: ``ProbeError`` with `truncated`, `elfMalformed`.
    mutating func mayContinue(after range: ELFRange) throws -> Bool {
        guard range.count <= budget else { return false }
        budget -= range.count
        var done: UInt64 = 0
        while done < range.count {
            let (offset, overflow) = range.offset.addingReportingOverflow(done)
            guard !overflow else { throw ELFTables.malformed("a part lies behind the end of all files") }
            let length = min(UInt64(Self.chunk + Self.overlap), range.count - done)
            search(try bytes.bytes(at: offset, count: length, "The kernel's data"))
            if found?.isFinal == true { return false }
            done += UInt64(Self.chunk)
        }
        return true
    }

    private mutating func search(_ piece: [UInt8]) {
        piece.withUnsafeBytes { all in
            guard let start = all.baseAddress else { return }
            let end = min(all.count, Self.chunk)
            var position = 0
            // memchr makes this some ten times faster than a loop over megabytes that hold few of the letter.
            while let match = memchr(start + position, CInt(KernelBanner.prefix[0]), end - position) {
                position = UnsafeRawPointer(match) - start
                if all[position...].starts(with: KernelBanner.prefix),
                    let banner = KernelBanner(all[(position + KernelBanner.prefix.count)...])
                {
                    if found == nil || banner.isFinal { found = banner }
                    if banner.isFinal { return }
                }
                position += 1
            }
        }
    }
}
