internal import Glibc

extension [UInt8] {
    /// Where some bytes occur first.
    ///
    /// - Parameters:
    ///   - wanted: not empty.
    ///   - range: they lie in it as a whole; nil for anywhere.
    /// - Returns: nil if they don't occur there.
    package func offset(of wanted: [UInt8], in range: Range<Int>? = nil) -> Int? {
        // NULs and line ends are everywhere; what follows them is not.
        let anchor = wanted.count > 1 && [0, UInt8(ascii: "\n")].contains(wanted[0]) ? 1 : 0
        let range = range ?? 0..<count
        return withUnsafeBytes { all in
            guard let base = all.baseAddress else { return nil }
            let end = range.upperBound - wanted.count + anchor
            var start = range.lowerBound + anchor
            while start <= end, let place = memchr(base + start, CInt(wanted[anchor]), end - start + 1) {
                let found = UnsafeRawPointer(place) - base
                if memcmp(base + found - anchor, wanted, wanted.count) == 0 { return found - anchor }
                start = found + 1
            }
            return nil
        }
    }
}
