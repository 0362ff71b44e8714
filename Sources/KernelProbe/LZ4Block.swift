/// One block of LZ4 (the LZ4 block format description, v1.5.1): sequences of literals and copies.
///
/// By hand: liblz4 would be a fifth library on each host, for a payload that few distributions use.
enum LZ4Block {
    /// What every copy has beyond its length field.
    private static let leastCopy = 4

    /// - Parameters:
    ///   - input: the whole block.
    ///   - output: room for all it may hold.
    /// - Returns: bytes written to the output; nil if the block is damaged or holds more.
    static func decompress(_ input: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer) -> Int? {
        var position = 0
        var written = 0
        while position < input.count {
            let token = input[position]
            position += 1
            guard let literals = length(token >> 4, input, &position, limit: output.count),
                literals <= input.count - position, literals <= output.count - written
            else { return nil }
            copyLiterals(input[position..<position + literals], to: output, at: written)
            position += literals
            written += literals
            // The last sequence has literals only.
            guard position < input.count else { return written }
            guard input.count - position >= 2 else { return nil }
            let distance = Int(input[position]) | Int(input[position + 1]) << 8
            position += 2
            guard let rest = length(token & 15, input, &position, limit: output.count),
                distance > 0, distance <= written, rest + leastCopy <= output.count - written
            else { return nil }
            repeatBytes(output, at: written, distance: distance, count: rest + leastCopy)
            written += rest + leastCopy
        }
        return nil
    }

    /// A length's four bits; 15 means that bytes follow, to be added up to the first below 255.
    private static func length(
        _ bits: UInt8, _ input: UnsafeRawBufferPointer, _ position: inout Int, limit: Int
    ) -> Int? {
        var sum = Int(bits)
        guard bits == 15 else { return sum }
        while position < input.count, sum <= limit {
            let byte = input[position]
            position += 1
            sum += Int(byte)
            if byte < 255 { return sum }
        }
        return nil
    }

    private static func copyLiterals(
        _ literals: Slice<UnsafeRawBufferPointer>, to output: UnsafeMutableRawBufferPointer, at start: Int
    ) {
        UnsafeMutableRawBufferPointer(rebasing: output[start...]).copyMemory(
            from: UnsafeRawBufferPointer(rebasing: literals))
    }

    /// Copies bytes written before; with a distance below the count, the copy repeats itself.
    private static func repeatBytes(_ output: UnsafeMutableRawBufferPointer, at start: Int, distance: Int, count: Int) {
        if distance >= count {
            let from = UnsafeRawBufferPointer(rebasing: output[(start - distance)..<(start - distance + count)])
            UnsafeMutableRawBufferPointer(rebasing: output[start...]).copyMemory(from: from)
        } else {
            for index in start..<(start + count) { output[index] = output[index - distance] }
        }
    }
}
