import KHeaderTestSupport

extension [UInt8] {
    /// The bytes with up to eight of them changed.
    func mutated(_ generator: inout SeededGenerator) -> [UInt8] {
        var bytes = self
        for _ in 0..<Int.random(in: 1...8, using: &generator) {
            let index = Int.random(in: indices, using: &generator)
            // Extremes break length checks more often than random values do.
            bytes[index] =
                [0, 1, 0x7F, 0x80, 0xFF, UInt8.random(in: 0...255, using: &generator)]
                .randomElement(using: &generator) ?? 0
        }
        return bytes
    }
}
