/// Lower-case hexadecimal, the only text form of build IDs and digests.
///
/// Written by hand because `String(format:)` is in full Foundation, which adds ICU's data to static binaries.
enum Hexadecimal {
    static func encode(_ bytes: some Collection<UInt8>) -> String {
        func digit(_ nibble: UInt8) -> UInt8 {
            nibble < 10 ? UInt8(ascii: "0") + nibble : UInt8(ascii: "a") + nibble - 10
        }
        let length = 2 * bytes.count
        return String(unsafeUninitializedCapacity: length) { text in
            var position = 0
            for byte in bytes {
                text[position] = digit(byte >> 4)
                text[position + 1] = digit(byte & 15)
                position += 2
            }
            return length
        }
    }

    /// The bytes, or nil if the text has an odd length or anything but `0-9a-f`.
    static func decode(_ text: some StringProtocol) -> [UInt8]? {
        // At once, rather than by a call for each character, which is what a protocol's collection costs.
        text.utf8.withContiguousStorageIfAvailable(decode) ?? Array(text.utf8).withUnsafeBufferPointer(decode)
    }

    private static func decode(_ digits: UnsafeBufferPointer<UInt8>) -> [UInt8]? {
        func nibble(_ digit: UInt8) -> UInt8? {
            switch digit {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
            case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
            default: nil
            }
        }
        guard digits.count.isMultiple(of: 2) else { return nil }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(digits.count / 2)
        for position in stride(from: 0, to: digits.count, by: 2) {
            guard let high = nibble(digits[position]), let low = nibble(digits[position + 1]) else { return nil }
            bytes.append(high << 4 | low)
        }
        return bytes
    }
}
