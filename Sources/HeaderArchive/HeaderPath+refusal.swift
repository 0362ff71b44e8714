internal import KernelHeaders

extension HeaderPath {
    /// The path of a name as an archive or a folder has it.
    ///
    /// - Throws: `Problem` with an `archive-path-…` code.
    package init(named name: [UInt8]) throws {
        do throws(Flaw) {
            self = try HeaderPath(normalising: name)
        } catch {
            throw error.problem(name)
        }
    }
}

extension HeaderPath {
    /// The path as sentences show it, see ``shown(_:)``.
    var shown: String { Self.shown(string.utf8) }

    /// Of a hostile name, what may reach a terminal: no control characters, and not very long.
    static func shown(_ name: some Collection<UInt8>) -> String {
        String(decoding: name.prefix(80), as: UTF8.self).unicodeScalars.map {
            $0.value < 0x20 || (0x7F..<0xA0).contains($0.value) ? "?" : String($0)
        }.joined() + (name.count > 80 ? "…" : "")
    }
}

extension HeaderPath.Flaw {
    /// The refusal of an archive that has this name.
    func problem(_ name: [UInt8]) -> Problem {
        let text = HeaderPath.shown(name)
        return switch self {
        case .empty: Problem(.archivePathEmpty, "The archive has an entry without a name.")
        case .absolute:
            Problem(.archivePathAbsolute, "The archive has the absolute path \(text). Make it with relative paths.")
        case .parentReference:
            Problem(.archivePathParent, "The archive has the path \(text), which goes up with \"..\".")
        case .notUTF8: Problem(.archivePathNotUTF8, "The archive has a name that is not UTF-8: \(text).")
        case .containsNUL: Problem(.archivePathContainsNUL, "The archive has a name with a NUL in it: \(text).")
        case .tooLong:
            Problem(
                .archivePathTooLong,
                "The archive has a path over \(HeaderPath.maximumLength) bytes, or \(HeaderPath.maximumComponentLength) a name: \(text)"
            )
        case .tooDeep:
            Problem(
                .archivePathTooDeep, "The archive has a path over \(HeaderPath.maximumDepth) folders deep: \(text)")
        }
    }
}
