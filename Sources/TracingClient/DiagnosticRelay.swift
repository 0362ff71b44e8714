internal import HeaderTransport

/// Passes on what a tool writes to standard error, and holds it back from its compiler's first complaint on: if the tool
/// fails, it is run again with the full headers, and then that complaint was none of the user's.
///
/// Pure: it knows no clock and no file.
public struct DiagnosticRelay: Sendable, Equatable {
    /// The most bytes held back.
    static let heldLimit = 1 << 20
    /// How long nothing may come while text is held back: then the tool goes on in spite of what its compiler said. One that
    /// computes is not done with it: bcc tries in two ways, and on a busy host that takes its time.
    static let patience = Duration.seconds(2)
    static let patienceWithBusyOnes = Duration.seconds(60)
    /// How long the beginning of a line may wait for its end: a prompt has none.
    static let linePatience = Duration.milliseconds(50)
    /// The most bytes of a line that are looked at.
    private static let lineLimit = 1 << 12

    /// When the last byte came.
    private var lastByte = Duration.zero
    /// When the compiler's first complaint came.
    private var firstHeld = Duration.zero
    /// A line that has no end yet, as far as it is of interest.
    private var line: [UInt8] = []
    /// Of that line's bytes those that were not passed on yet.
    private var unsent: [UInt8] = []
    /// What is held back; nil while text is passed on.
    private var held: [UInt8]?
    /// Whether so much came, or so long nothing, that the tool's text is its own from now on.
    private var hasGivenUp = false

    /// The compiler's first error, in its own words; nil if none is held back.
    public private(set) var firstError: String?

    public init() {}

    /// - Parameter now: the time since the tool was started.
    /// - Returns: what is passed on.
    public mutating func take(_ bytes: some Collection<UInt8>, at now: Duration) -> [UInt8] {
        lastByte = now
        guard !hasGivenUp else { return Array(bytes) }
        var passed: [UInt8] = []
        for byte in bytes {
            if line.count < Self.lineLimit { line.append(byte) }
            unsent.append(byte)
            guard byte == UInt8(ascii: "\n") || unsent.count >= Self.lineLimit else { continue }
            passed += endLine(isWhole: byte == UInt8(ascii: "\n"))
        }
        if let held, held.count + unsent.count > Self.heldLimit { passed += giveUp() }
        return passed
    }

    /// - Parameter isBusy: whether the tool computes; asked if that matters.
    /// - Returns: what is passed on because time has passed.
    public mutating func wait(until now: Duration, isBusy: () -> Bool = { false }) -> [UInt8] {
        guard !hasGivenUp else { return [] }
        let silence = now - lastByte
        if held != nil {
            guard silence >= Self.patience else { return [] }
            guard now - firstHeld < Self.patienceWithBusyOnes, isBusy() else { return giveUp() }
            lastByte = now
            return []
        }
        guard silence >= Self.linePatience, !unsent.isEmpty else { return [] }
        defer { unsent = [] }
        return unsent
    }

    /// When ``wait(until:)`` has something to do, should nothing come before; nil for never.
    public var nextWait: Duration? {
        if hasGivenUp { return nil }
        if held != nil { return lastByte + Self.patience }
        return unsent.isEmpty ? nil : lastByte + Self.linePatience
    }

    /// - Returns: all that was not passed on.
    public mutating func finish() -> [UInt8] {
        defer { (held, unsent, line) = (nil, [], []) }
        return (held ?? []) + unsent
    }

    /// The tool has ended: a last line without an end is one, too.
    public mutating func end() -> [UInt8] { hasGivenUp || unsent.isEmpty ? [] : endLine(isWhole: true) }

    private mutating func endLine(isWhole: Bool) -> [UInt8] {
        defer {
            unsent = []
            if isWhole { line = [] }
        }
        let text = Self.plain(line)
        if held == nil, Self.isDiagnostic(text) { (held, firstHeld) = ([], lastByte) }
        guard held != nil else { return unsent }
        held?.append(contentsOf: unsent)
        if firstError == nil, Self.isError(text) { firstError = Self.message(text) }
        return []
    }

    private mutating func giveUp() -> [UInt8] {
        hasGivenUp = true
        firstError = nil
        return finish()
    }

    // MARK: Lines

    /// `prog.c:3:5: error: …`, `error: …` of clang's driver, and the first line of what an include led to.
    static func isDiagnostic(_ line: String) -> Bool {
        isError(line) || line.hasPrefix("In file included from ")
    }

    static func isError(_ line: String) -> Bool {
        if ["error: ", "fatal error: "].contains(where: { line.hasPrefix($0) }) { return true }
        // Other programs complain, too: a compiler says at which line, or that it is one.
        return [": error: ", ": fatal error: "].contains { words in
            guard let start = line.firstOffset(of: words) else { return false }
            let place = line.utf8.prefix(start)
            let number = place.reversed().prefix { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
            return line.hasPrefix("clang") || !number.isEmpty && place.dropLast(number.count).last == UInt8(ascii: ":")
        }
    }

    /// For a sentence: no control characters, and no more than a line of it.
    private static func message(_ line: String) -> String {
        let text = Console.printable(line.filter { $0 != "\n" && $0 != "\r" })
        return text.count > 200 ? text.prefix(200) + "…" : text
    }

    /// Without the colours of a terminal.
    private static func plain(_ line: [UInt8]) -> String {
        var bytes: [UInt8] = []
        var rest = line[...]
        while let byte = rest.popFirst() {
            guard byte == 0x1B, rest.first == UInt8(ascii: "[") else {
                bytes.append(byte)
                continue
            }
            // The sequence's last byte is a letter.
            rest = rest.dropFirst().drop { !(0x40...0x7E).contains($0) }.dropFirst()
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}

extension String {
    /// Without regular expressions, and by bytes: lines come by the thousand.
    fileprivate func firstOffset(of words: String) -> Int? {
        let words = Array(words.utf8)
        var rest = utf8[...]
        while let start = rest.firstIndex(of: words[0]) {
            rest = rest[start...]
            if rest.starts(with: words) { return utf8.distance(from: utf8.startIndex, to: start) }
            rest = rest.dropFirst()
        }
        return nil
    }
}
