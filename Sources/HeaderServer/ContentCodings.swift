/// The value of `Accept-Encoding` (RFC 9110, 12.5.3).
struct ContentCodings {
    private let accepted: Set<String>

    /// - Parameter field: nil if there is none: then nothing is compressed.
    init(_ field: String?) {
        var accepted: Set<String> = []
        for item in (field ?? "").split(separator: ",") {
            let parts = item.split(separator: ";", omittingEmptySubsequences: false).map {
                $0.filter { $0 != " " && $0 != "\t" }.lowercased()
            }
            guard let name = parts.first else { continue }
            // q=0, in any of its spellings, says that it is not.
            let weight = parts.dropFirst().first { $0.hasPrefix("q=") }?.dropFirst(2)
            if weight.map({ $0.contains { ("1"..."9").contains($0) } }) ?? true { accepted.insert(name) }
        }
        self.accepted = accepted
    }

    /// - Parameter coding: in lower case. `*` is not taken for a new one.
    func accepts(_ coding: String) -> Bool { accepted.contains(coding) }
}
