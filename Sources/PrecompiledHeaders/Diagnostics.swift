/// What a compiler said of an umbrella, by the headers that are to blame.
///
/// clang prints, before the first message of a file, how it came there, the outermost file first:
///
/// ```
/// In file included from /umbrella/umbrella.h:3:
/// In file included from include/net/sock.h:46:
/// include/linux/foo.h:12:3: error: unknown type name 'bar'
/// ```
struct Diagnostics {
    /// An error, and the umbrella's line that led to it; nil if none did.
    struct Blame: Equatable {
        let line: Int?
        let message: String
    }

    /// The first error of each line, in their order.
    let blames: [Blame]

    init(_ messages: String, umbrella: String) {
        var blames: [Blame] = []
        var line: Int?
        var isInGroup = false
        for text in messages.split(separator: "\n") {
            if text.hasPrefix(Self.included) {
                if !isInGroup { line = Self.line(of: text.dropFirst(Self.included.count), in: umbrella) }
                isInGroup = true
                continue
            }
            isInGroup = false
            guard let error = Self.error(text) else { continue }
            // In the umbrella itself: a header that is not there.
            let blamed = Self.line(of: text, in: umbrella) ?? line
            if !blames.contains(where: { $0.line == blamed }) { blames.append(Blame(line: blamed, message: error)) }
        }
        self.blames = blames
    }

    /// The first error there is, without its place; nil if there is none.
    static func firstError(_ messages: String) -> String? {
        messages.split(separator: "\n").lazy.compactMap(error).first
    }

    private static let included = "In file included from "

    /// `FILE:LINE:`, of one file.
    private static func line(of text: some StringProtocol, in file: String) -> Int? {
        guard text.hasPrefix("\(file):") else { return nil }
        return Int(text.dropFirst(file.count + 1).prefix { $0.isNumber })
    }

    /// The line from its place on, if it is an error.
    private static func error(_ text: some StringProtocol) -> String? {
        for word in [": error: ", ": fatal error: "] {
            var rest = Substring(text)
            while let colon = rest.firstIndex(of: ":") {
                if rest[colon...].hasPrefix(word) { return String(text) }
                rest = rest[rest.index(after: colon)...]
            }
        }
        return nil
    }
}
