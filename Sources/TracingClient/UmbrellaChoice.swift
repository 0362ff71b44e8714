internal import PrecompiledHeaders

/// Which umbrella a program is to have: the smallest that has what it includes, as time follows size.
struct UmbrellaChoice: Sendable, Equatable {
    let umbrella: Umbrella
    /// Why the umbrella may not do, in a few words: none names all that the program includes. What the headers of one
    /// include is in its PCH as well, so that a PCH that is ready is worth a look, and one that is not is not waited for.
    let obstacle: String?

    /// - Throws: ``PCHUnavailable`` if there is no such umbrella, or none at all.
    init(_ wish: PCHFinder.Wish, among umbrellas: [Umbrella], ownHeaders: [String: String]) throws {
        let bySize = umbrellas.enumerated().sorted {
            ($0.element.headers.count, $0.offset) < ($1.element.headers.count, $1.offset)
        }
        .map(\.element)
        if let name = wish.umbrella {
            guard let named = bySize.first(where: { $0.name == name }) else {
                throw PCHUnavailable(
                    "The server has no umbrella '\(name)'. It has \(umbrellas.map(\.name).joined(separator: ", ")).")
            }
            (umbrella, obstacle) = (named, nil)
            return
        }
        guard let largest = bySize.last else { throw PCHUnavailable("The server has no umbrella of headers.") }
        let everything = bySize.first { $0.name == Umbrella.all.name } ?? largest
        guard !wish.headers.isEmpty else {
            (umbrella, obstacle) = (everything, nil)
            return
        }
        let wanted = wish.headers.filter { ownHeaders[$0] == nil }
        func lacking(_ umbrella: Umbrella) -> String? {
            let names = Set(umbrella.headers.flatMap { [$0, $0.hasPrefix("uapi/") ? String($0.dropFirst(5)) : $0] })
            return wanted.first { !names.contains($0) }
        }
        if let fitting = bySize.first(where: { lacking($0) == nil }) {
            (umbrella, obstacle) = (fitting, nil)
        } else {
            (umbrella, obstacle) = (everything, "it includes \(lacking(everything) ?? "much"), which no umbrella names")
        }
    }
}
